package sql

import (
	"encoding/json"
	"testing"

	"github.com/tidwall/gjson"
)

const scanned = `{"temperature":31.5,"humidity":48.2,"pressure":1013.25,"device":{"id":"dev-0042","kind":"a","firmware":"2.14.7"},` +
	`"battery":{"volts":3.71,"percent":82,"charging":false},"location":{"lat":52.52,"lon":13.405},"rssi":-67,"uptime":8675309,` +
	`"errors":[],"tags":["roof","north"],"ts":1700000000123,"mode":"a"}`

func BenchmarkScan(b *testing.B) {
	var p paths
	p.add([]string{"temperature"})
	p.add([]string{"device", "id"})
	p.add([]string{"device", "kind"})
	slots := make([]slot, p.number())
	var s scanner
	b.Run("ours", func(b *testing.B) {
		for b.Loop() {
			if !s.scan(scanned, &p.root, slots) {
				b.Fatal()
			}
		}
	})
	b.Run("gjson", func(b *testing.B) {
		for b.Loop() {
			if !gjson.Valid(scanned) {
				b.Fatal()
			}
		}
	})
	b.Run("json", func(b *testing.B) {
		x := []byte(scanned)
		for b.Loop() {
			if !json.Valid(x) {
				b.Fatal()
			}
		}
	})
}
