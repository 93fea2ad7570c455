package rabbit

import (
	"bufio"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
)

// Users are the users of a broker with their passwords. A module's user has the
// module's name.
type Users map[string]string

// ReadUsers reads a file with a line name:password for each; empty lines and those
// that begin with # say nothing. What stands behind the colon is the password as it
// is, with its spaces.
func ReadUsers(path string) (Users, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the users of the broker: %w", err)
	}
	defer func() { _ = f.Close() }()
	users := Users{}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimLeft(lines.Text(), " \t")
		if line == "" || line[0] == '#' {
			continue
		}
		name, password, found := strings.Cut(line, ":")
		if !found || name == "" || password == "" { // what it says may be a password
			return nil, fmt.Errorf("%s, line %d: must be name:password", path, n)
		}
		if _, twice := users[name]; twice {
			return nil, fmt.Errorf("%s, line %d: %s has a line already", path, n, name)
		}
		users[name] = password
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return users, nil
}

// URL is the broker's address as this user reaches it.
func (u Users) URL(broker, name string) (string, error) {
	password, found := u[name]
	if !found {
		return "", fmt.Errorf("there is no user %s", name)
	}
	at, err := url.Parse(broker)
	if err != nil {
		return "", errors.New("the broker's address is none") // it has a password in it
	}
	at.User = url.UserPassword(name, password)
	return at.String(), nil
}

// Definitions are users and rights as RabbitMQ imports them (rabbitmqctl
// import_definitions, or load_definitions in rabbitmq.conf).
type Definitions struct {
	VHosts           []vhost           `json:"vhosts"`
	Users            []user            `json:"users"`
	Permissions      []permission      `json:"permissions"`
	TopicPermissions []topicPermission `json:"topic_permissions"`
	Exchanges        []exchange        `json:"exchanges"`
}

type vhost struct {
	Name string `json:"name"`
}

type user struct {
	Name    string `json:"name"`
	Hash    string `json:"password_hash"`
	Hashing string `json:"hashing_algorithm"`
	Tags    string `json:"tags"`
}

type permission struct {
	User      string `json:"user"`
	VHost     string `json:"vhost"`
	Configure string `json:"configure"`
	Write     string `json:"write"`
	Read      string `json:"read"`
}

type topicPermission struct {
	User     string `json:"user"`
	VHost    string `json:"vhost"`
	Exchange string `json:"exchange"`
	Write    string `json:"write"`
	Read     string `json:"read"`
}

type exchange struct {
	Name       string         `json:"name"`
	VHost      string         `json:"vhost"`
	Type       string         `json:"type"`
	Durable    bool           `json:"durable"`
	AutoDelete bool           `json:"auto_delete"`
	Internal   bool           `json:"internal"`
	Arguments  map[string]any `json:"arguments"`
}

// Define gives each user its rights: that of a module the module's, any other those
// of who only calls. The same users give the same definitions.
func (u Users) Define(on string, modules []string, t Topology) Definitions {
	d := Definitions{
		VHosts:    []vhost{{on}},
		Exchanges: []exchange{{Name: EventsExchange, VHost: on, Type: "topic", Durable: true, Arguments: map[string]any{}}},
	}
	for _, name := range slices.Sorted(maps.Keys(u)) {
		g := GrantToCaller()
		if slices.Contains(modules, name) {
			g = GrantTo(name, t)
		}
		d.Users = append(d.Users, user{Name: name, Hash: hash(on, name, u[name]), Hashing: "rabbit_password_hashing_sha256"})
		d.Permissions = append(d.Permissions, permission{name, on, g.Configure, g.Write, g.Read})
		d.TopicPermissions = append(d.TopicPermissions, topicPermission{name, on, EventsExchange, g.Topics.Write, g.Topics.Read})
	}
	return d
}

// hash is a password as RabbitMQ keeps it: a salt of four bytes, and the SHA-256 of
// both. The salt is made of the names, so that nothing changes unless a user does.
func hash(vhost, name, password string) string {
	salt := sha256.Sum256([]byte(vhost + "/" + name))
	sum := sha256.Sum256(append(salt[:4:4], password...))
	return base64.StdEncoding.EncodeToString(append(salt[:4:4], sum[:]...))
}
