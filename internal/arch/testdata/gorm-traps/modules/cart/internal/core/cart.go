package core

type list interface{ Save(any) }

func keep(l list) { l.Save(1) }
