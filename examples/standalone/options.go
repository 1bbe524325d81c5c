package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"

	"github.com/thinghub/thinghub/broker"
)

// options is what the command line says.
type options struct {
	mqtt, mqtts, http, https, pprof string
	config                          string
	anonymous                       anonymity
	logLevel                        slog.Level
	limits                          broker.Config
}

var errHelp = flag.ErrHelp

// parseOptions reads the command line. Its errors name the flag, the value and what
// was expected.
func parseOptions(args []string, stderr io.Writer) (*options, error) {
	o := &options{}
	var set settings
	var data string
	fs := flag.NewFlagSet("standalone", flag.ContinueOnError)
	fs.StringVar(&o.mqtt, "mqtt", "", "`address` for MQTT over TCP (default 127.0.0.1:1883 when no listener flag is given)")
	fs.StringVar(&o.mqtts, "mqtts", "", "`address` for MQTT over TLS; needs tls in -config")
	fs.StringVar(&o.http, "http", "", "`address` for HTTP: WebSocket at /mqtt, data plane, control plane, /metrics, /healthz")
	fs.StringVar(&o.https, "https", "", "`address` for the same over TLS; needs tls in -config")
	fs.StringVar(&o.pprof, "pprof", "", "`address` for net/http/pprof")
	fs.StringVar(&o.config, "config", "", "JSON `file`; relative names in it are relative to its folder")
	fs.StringVar(&data, "data", "", "`folder` for durable state (not supported by this release)")
	fs.Var(&o.anonymous, "anonymous", "let everybody do everything, on loopback addresses; =insecure on others too")
	fs.Var(&set, "set", "broker limits as `name=value,...`: "+knownSettings())
	fs.Func("log", "`level` of the log on stderr: debug, info, warn or error (default info)", o.setLogLevel)
	fs.SetOutput(io.Discard) // the one sentence is ours to print
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fs.SetOutput(stderr)
			fs.Usage()
		}
		return nil, err
	}
	if fs.NArg() > 0 {
		return nil, fmt.Errorf("argument %q, expected flags only", fs.Arg(0))
	}
	if data != "" {
		return nil, fmt.Errorf("-data is %q, but durable state is not supported by this release: leave the flag out to keep everything in memory", data)
	}
	if o.mqtt+o.mqtts+o.http+o.https == "" {
		o.mqtt = "127.0.0.1:1883"
	}
	if err := o.checkAddresses(); err != nil {
		return nil, err
	}
	o.limits = set.config()
	return o, nil
}

func (o *options) setLogLevel(v string) error {
	levels := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
	level, ok := levels[v]
	if !ok {
		return errors.New("expected debug, info, warn or error")
	}
	o.logLevel = level
	return nil
}

// listener is an address flag.
type listener struct{ name, addr string }

// listeners returns the listeners that were asked for.
func (o *options) listeners() (list []listener) {
	for _, l := range []listener{{"mqtt", o.mqtt}, {"mqtts", o.mqtts}, {"http", o.http}, {"https", o.https}, {"pprof", o.pprof}} {
		if l.addr != "" {
			list = append(list, l)
		}
	}
	return list
}

// checkAddresses resolves the addresses and keeps an open hub on this machine.
func (o *options) checkAddresses() error {
	for _, l := range o.listeners() {
		a, err := net.ResolveTCPAddr("tcp", l.addr)
		if err != nil {
			return fmt.Errorf("-%s is %q, expected host:port: %w", l.name, l.addr, err)
		}
		if o.anonymous == anonymousLoopback && l.name != "pprof" && !a.IP.IsLoopback() {
			return fmt.Errorf("-%s is %q, expected a loopback address such as 127.0.0.1:%d with -anonymous; -anonymous=insecure opens the hub to the network", l.name, l.addr, a.Port)
		}
	}
	return nil
}

// onLoopback reports that all listeners are on loopback addresses.
func (o *options) onLoopback() bool {
	for _, l := range o.listeners() {
		if a, err := net.ResolveTCPAddr("tcp", l.addr); err != nil || !a.IP.IsLoopback() {
			return false
		}
	}
	return true
}

// enableURL is where a web service confirms that it wants the messages of rules, if
// that can be told before the listeners are open.
func (o *options) enableURL() string {
	for _, l := range []listener{{"https", o.https}, {"http", o.http}} {
		if a, err := net.ResolveTCPAddr("tcp", l.addr); l.addr != "" && err == nil && a.Port != 0 && len(a.IP) > 0 && !a.IP.IsUnspecified() {
			return l.name + "://" + a.String() + "/confirmdestination/"
		}
	}
	return ""
}

// load reads the configuration file, if there is one.
func (o *options) load(log *slog.Logger) (*file, error) {
	f := &file{log: log}
	if o.config != "" {
		var err error
		if f, err = readFile(o.config, log); err != nil {
			return nil, fmt.Errorf("-config %s: %w", o.config, err)
		}
	}
	for _, l := range o.listeners() {
		if (l.name == "mqtts" || l.name == "https") && f.server == nil {
			return nil, fmt.Errorf("-%s is %q, expected a certificate for it: tls.cert and tls.key in the -config file", l.name, l.addr)
		}
	}
	return f, nil
}

// anonymity is the value of -anonymous, a boolean with one more word.
type anonymity string

const (
	anonymousOff      anonymity = ""
	anonymousLoopback anonymity = "true"
	anonymousInsecure anonymity = "insecure"
)

func (a *anonymity) String() string   { return string(*a) }
func (a *anonymity) IsBoolFlag() bool { return true }

func (a *anonymity) Set(v string) error {
	switch v {
	case "false":
		*a = anonymousOff
	case "true", "insecure":
		*a = anonymity(v)
	default:
		return errors.New("expected true, false or insecure")
	}
	return nil
}
