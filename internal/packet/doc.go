// Package packet encodes and decodes MQTT control packets, versions 3.1.1 and 5.0, in both directions. It is the only
// codec of the module and does no I/O: a caller hands it bytes and appends what it returns to a buffer.
//
// # Decoding
//
// [ParseHeader] reads the fixed header as soon as enough bytes are there and says how long the whole frame is. With the
// frame complete, the Decode method of the packet's type fills a struct in place:
//
//	h, ok, err := packet.ParseHeader(buf, v)
//	if err != nil || !ok || len(buf) < h.Size {
//		return err // close the connection, or read on
//	}
//	body := buf[h.Body:h.Size]
//	switch h.Type {
//	case packet.TypePublish:
//		err = publish.Decode(h.Flags, body, v)
//	}
//
// Decode sets every field and may be called again and again on one struct. Byte slices in it alias the input: they are
// valid as long as the caller leaves the buffer alone, and appending to one of them never writes into the buffer. Slices
// of structs (filters, subscription identifiers) are reused. After an error the struct holds nothing of use, except for
// the two fields that [Connect.Decode] documents.
//
// Decode checks all that can be judged by looking at one packet: lengths, reserved bits, UTF-8, which properties a packet
// may carry and how often, value ranges, reason codes. What needs to know the connection stays with the caller: the order
// of packets, which side may send a type, limits that were negotiated, topic aliases, the syntax of topic filters.
//
// # Encoding
//
// Append writes the shortest form of a packet behind dst. It trusts its caller, who builds valid packets; two limits of
// the format are kept in any case, so that a frame can never run into the next one: strings and binary data are cut at
// 65,535 bytes, and of a packet longer than [MaxRemaining] nothing is written.
//
// # Errors
//
// Every error is an [*Error] with the reason code of MQTT 5 that fits. A 3.1.1 connection is just closed.
//
// Values of this package are not safe for concurrent use.
package packet
