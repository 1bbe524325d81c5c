package packet_test

import (
	"reflect"
)

// normal is a deep copy of p in which empty slices are nil and CONNECT has its protocol name.
func normal(p appender) appender {
	if c, ok := p.(*connect); ok {
		full := *c
		full.Protocol = []byte("MQTT")
		p = &full
	}
	v := reflect.New(reflect.TypeOf(p).Elem())
	v.Elem().Set(reflect.ValueOf(p).Elem())
	tidy(v.Elem())
	return v.Interface().(appender)
}

func tidy(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for _, f := range v.Fields() {
			if f.CanSet() {
				tidy(f)
			}
		}
	case reflect.Slice:
		if v.Len() == 0 {
			v.SetZero()
			return
		}
		if v.Type().Elem().Kind() == reflect.Struct || v.Type().Elem().Kind() == reflect.Slice {
			c := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
			reflect.Copy(c, v)
			for i := range c.Len() {
				tidy(c.Index(i))
			}
			v.Set(c)
		}
	}
}
