package contract

import (
	"maps"
	"slices"
	"strings"

	"github.com/banyan-tree/banyan/internal/port"
)

// object is a part of an AsyncAPI document.
type object = map[string]any

// Wire is what the broker calls things. It is handed in: contracts know no broker.
type Wire struct {
	Exchange  string // topic exchange of events
	CallQueue func(module string) string
	LogQueue  func(module string) string
}

// AsyncAPI gives one document (version 3.0) for all that travels over the broker:
// calls with their replies, and events with those who listen.
func (s Set) AsyncAPI(users Users, wire Wire) any {
	d := &asyncapi{
		channels: object{}, operations: object{}, messages: object{}, schemas: object{}, users: users, wire: wire,
	}
	d.common()
	for _, name := range slices.Sorted(maps.Keys(s)) {
		d.add(s[name])
	}
	return object{
		"asyncapi": "3.0.0",
		"info": object{
			"title": "Banyan", "version": "1.0.0",
			"description": "Calls and events of the shop's modules as they travel over RabbitMQ. Made by `app contracts export`; do not edit. " +
				"A call is a JSON request in the queue of its module, with reply-to and correlation id; an event is a CloudEvent in JSON, by its topic.",
			"license": object{"name": "Apache 2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
		},
		"defaultContentType": port.ContentType,
		"servers": object{"rabbitmq": object{
			"host": "{host}", "protocol": "amqp", "protocolVersion": "0.9.1",
			"variables": object{"host": object{"default": "localhost:5672", "description": "host and port of the broker (setting amqp.url)"}},
		}},
		"channels": d.channels, "operations": d.operations,
		"components": object{"messages": d.messages, "schemas": d.schemas},
	}
}

type asyncapi struct {
	channels, operations, messages, schemas object
	users                                   Users
	wire                                    Wire
}

func ref(parts ...string) object { return object{"$ref": "#/" + strings.Join(parts, "/")} }

func text(about string) object { return object{"type": "string", "description": about} }

// common adds what every call and every event has around its own content.
func (d *asyncapi) common() {
	d.schemas["fault"] = object{
		"type": "object", "required": []string{"code", "kind"},
		"description": "Why a call failed. Codes are stable; an unknown code is treated by its kind.",
		"properties": object{
			"code": text("dotted name of the failure"), "kind": text("what a caller can do about it"), "message": text("for people; may change"),
			"fields":  object{"type": "array", "items": object{"type": "object", "properties": object{"pointer": text("JSON pointer into the request"), "detail": text("what is wrong there")}}},
			"details": object{"type": "object", "additionalProperties": object{"type": "string"}},
		},
	}
	d.messages["fault"] = object{
		"contentType": port.ContentType, "payload": ref("components", "schemas", "fault"),
		"headers": object{"type": "object", "required": []string{port.HeaderFault}, "properties": object{port.HeaderFault: text("the code again")}},
	}
	d.schemas["call"] = object{
		"type": "object", "required": []string{port.HeaderKind, port.HeaderVersion, port.HeaderPrincipal},
		"properties": object{
			port.HeaderKind: object{"type": "string", "enum": []string{"query", "command"}}, port.HeaderVersion: text("of the method"),
			port.HeaderDeadline: text("when the caller stops waiting, in microseconds since 1970"), port.HeaderPrincipal: text("who calls, signed"),
			port.HeaderScope: text("of the idempotency key"), port.HeaderKey: text("the same key is the same effect"),
			port.HeaderFingerprint: text("of the request the key was given with"), "traceparent": text("W3C trace context"),
		},
	}
	d.schemas["envelope"] = object{
		"type": "object", "required": []string{"id", "source", "topic", "type", "subject", "aggregateversion", "time", "data"},
		"properties": object{
			"id": text("the same each time the event is delivered"), "source": text("module that published it"), "topic": text("kind of aggregate"),
			"type": text("name of the event"), "subject": text("id of the aggregate"), "time": object{"type": "string", "format": "date-time"},
			"aggregateversion": object{"type": "integer", "minimum": 1, "description": "counts the events of the aggregate, without gaps"},
			"traceparent":      text("W3C trace context"), "data": object{},
		},
	}
}

func (d *asyncapi) add(doc *Document) {
	for name, s := range doc.Defs {
		d.schemas[name] = relocated(s)
	}
	d.calls(doc)
	d.events(doc)
}

func (d *asyncapi) calls(doc *Document) {
	if len(doc.Methods) == 0 {
		return
	}
	queue := d.wire.CallQueue(doc.Module)
	back := queue + ".replies"
	requests, replies := object{}, object{"fault": ref("components", "messages", "fault")}
	for _, m := range doc.Methods {
		ask, answer := m.Name+".request", m.Name+".reply"
		d.messages[ask] = object{
			"name": m.Name, "contentType": port.ContentType, "payload": relocated(m.Request), "headers": ref("components", "schemas", "call"),
			"correlationId": object{"location": "$message.header#/correlation_id"},
			"bindings":      object{"amqp": object{"messageType": m.Name, "bindingVersion": "0.3.0"}},
		}
		d.messages[answer] = object{"name": m.Name, "contentType": port.ContentType, "payload": relocated(m.Reply)}
		requests[ask], replies[answer] = ref("components", "messages", ask), ref("components", "messages", answer)
		d.operations[m.Name] = object{
			"action": "receive", "channel": ref("channels", queue), "messages": []any{ref("channels", queue, "messages", ask)},
			"summary": summary(m, d.users.of(m.Name)),
			"reply": object{
				"address": object{"location": "$message.header#/reply_to"}, "channel": ref("channels", back),
				"messages": []any{ref("channels", back, "messages", answer), ref("channels", back, "messages", "fault")},
			},
			"x-codes": m.Codes, "x-deadline": m.Deadline,
		}
	}
	d.channels[queue] = object{
		"address": queue, "messages": requests, "description": "Calls to " + doc.Module + ", answered by any process that serves it.",
		"bindings": object{"amqp": object{
			"is": "queue", "bindingVersion": "0.3.0",
			"queue": object{"name": queue, "durable": true, "exclusive": false, "autoDelete": false},
		}},
	}
	d.channels[back] = object{"address": nil, "messages": replies, "description": "Direct reply-to: the caller names the address in each request."}
}

func summary(m Method, users []string) string {
	s := "A " + m.Kind
	if m.Kind == "query" {
		s += ", which may be repeated"
	} else if m.Keyed {
		s += " with a key of its own"
	}
	if len(users) > 0 {
		s += "; called by " + strings.Join(users, ", ")
	}
	return s + "."
}

func (d *asyncapi) events(doc *Document) {
	for _, e := range doc.Events {
		channel := d.wire.Exchange + "." + e.Topic
		d.messages[e.Name] = object{
			"name": e.Name, "contentType": "application/cloudevents+json",
			"payload": object{"allOf": []any{
				ref("components", "schemas", "envelope"),
				object{"type": "object", "properties": object{"type": object{"const": e.Name}, "topic": object{"const": e.Topic}, "data": relocated(e.Data)}},
			}},
			"bindings": object{"amqp": object{"messageType": e.Name, "bindingVersion": "0.3.0"}},
		}
		if d.channels[channel] == nil {
			d.channels[channel] = object{
				"address": e.Topic, "messages": object{},
				"description": "Events of " + doc.Module + "; their history is in the stream " + d.wire.LogQueue(doc.Module) + ".",
				"bindings": object{"amqp": object{
					"is": "routingKey", "bindingVersion": "0.3.0",
					"exchange": object{"name": d.wire.Exchange, "type": "topic", "durable": true, "autoDelete": false},
				}},
			}
		}
		d.channels[channel].(object)["messages"].(object)[e.Name] = ref("components", "messages", e.Name)
		message := []any{ref("channels", channel, "messages", e.Name)}
		d.operations[e.Name] = object{"action": "send", "channel": ref("channels", channel), "messages": message, "summary": "Published by " + doc.Module + "."}
		for _, user := range d.users.of(e.Name) {
			d.operations[user+".on."+e.Name] = object{"action": "receive", "channel": ref("channels", channel), "messages": message, "summary": "Applied by " + user + "."}
		}
	}
}

// relocated is the schema with its references into the document's components.
func relocated(s *Schema) *Schema {
	if s == nil {
		return nil
	}
	n := *s
	if s.Ref != "" {
		n.Ref = "#/components/schemas/" + strings.TrimPrefix(s.Ref, refPrefix)
	}
	n.Items, n.Values = relocated(s.Items), relocated(s.Values)
	if s.Properties != nil {
		n.Properties = map[string]*Schema{}
		for name, p := range s.Properties {
			n.Properties[name] = relocated(p)
		}
	}
	n.AnyOf = nil
	for _, one := range s.AnyOf {
		n.AnyOf = append(n.AnyOf, relocated(one))
	}
	return &n
}
