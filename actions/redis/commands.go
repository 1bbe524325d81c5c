package redis

import (
	"slices"
	"strings"
)

// ordinary are the commands of which nothing else is known than that they write one key,
// or publish, and do not wait.
var ordinary = []string{
	"APPEND", "DECR", "DECRBY", "GETSET", "INCR", "INCRBY", "INCRBYFLOAT", "PSETEX", "SET", "SETBIT", "SETEX", "SETNX", "SETRANGE", "BITFIELD",
	"DEL", "UNLINK", "EXPIRE", "EXPIREAT", "PEXPIRE", "PEXPIREAT", "PERSIST",
	"HDEL", "HINCRBY", "HINCRBYFLOAT", "HMSET", "HSET", "HSETEX", "HSETNX", "HEXPIRE",
	"LINSERT", "LPOP", "LPUSH", "LPUSHX", "LREM", "LSET", "LTRIM", "RPOP", "RPUSH", "RPUSHX",
	"SADD", "SREM",
	"GEOADD", "ZADD", "ZINCRBY", "ZREM", "ZREMRANGEBYRANK", "ZREMRANGEBYSCORE",
	"PFADD",
	"XADD", "XDEL", "XTRIM",
	"PUBLISH", "SPUBLISH",
	"BF.ADD", "CF.ADD", "CMS.INCRBY", "JSON.ARRAPPEND", "JSON.MERGE", "JSON.NUMINCRBY", "JSON.SET", "TDIGEST.ADD", "TOPK.ADD", "TS.ADD", "TS.INCRBY",
}

// Commands returns the names of the commands that rules may use without being allowed to,
// sorted.
func Commands() []string {
	names := slices.Clone(ordinary)
	slices.Sort(names)
	return names
}

const (
	state = "changes the connection, which others share"
	waits = "waits, and holds up what others send"
)

// never are commands that would break the pool.
var never = map[string]string{
	"ASKING": state, "AUTH": state, "CLIENT": state, "DISCARD": state, "EXEC": state, "HELLO": state, "MONITOR": state, "MULTI": state,
	"PSUBSCRIBE": state, "PSYNC": state, "PUNSUBSCRIBE": state, "QUIT": state, "READONLY": state, "READWRITE": state, "REPLCONF": state,
	"RESET": state, "SELECT": state, "SSUBSCRIBE": state, "SUBSCRIBE": state, "SUNSUBSCRIBE": state, "SYNC": state, "UNSUBSCRIBE": state,
	"UNWATCH": state, "WATCH": state,
	"BLMOVE": waits, "BLMPOP": waits, "BLPOP": waits, "BRPOP": waits, "BRPOPLPUSH": waits, "BZMPOP": waits, "BZPOPMAX": waits, "BZPOPMIN": waits,
	"WAIT": waits, "WAITAOF": waits, "XREAD": waits, "XREADGROUP": waits,
}

// keyOf returns the word by which a cluster finds the node for a command: its first key,
// or the channel.
func keyOf(words []any) string {
	at := 1
	switch strings.ToUpper(text(words[0])) {
	case "EVAL", "EVALSHA", "EVAL_RO", "EVALSHA_RO", "FCALL", "FCALL_RO":
		at = 3
	case "XGROUP", "OBJECT":
		at = 2
	}
	if at >= len(words) {
		return ""
	}
	return text(words[at])
}

// text returns a word of a command, which is a string or bytes.
func text(word any) string {
	if b, ok := word.([]byte); ok {
		return string(b)
	}
	s, _ := word.(string)
	return s
}

const slots = 16384

// slot is the hash slot of a key: CRC16 of it, or of the part that its first braces
// enclose.
func slot(key string) int {
	var crc uint16
	for _, b := range []byte(tag(key)) {
		crc ^= uint16(b) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return int(crc % slots)
}

// tag returns the part of a key that a cluster hashes.
func tag(key string) string {
	if _, rest, ok := strings.Cut(key, "{"); ok {
		if inner, _, ok := strings.Cut(rest, "}"); ok && inner != "" {
			return inner
		}
	}
	return key
}
