package packet

// What the black-box tests look at from inside.
var (
	ValidString = validString
	PlainTopic  = plainTopic
	HasWildcard = hasWildcard
)

// Kind tells apart the data types of properties: 'b'ool, '2', '4', 'v'arint, 's'tring, 'd'ata, 'u'ser, or 0 for none.
func Kind(id PropertyID) byte {
	if int(id) >= len(properties) {
		return 0
	}
	return [...]byte{0, 'b', '2', '4', 'v', 's', 'd', 'u'}[properties[id].kind]
}

// BytesField is the field of a property that is a string or binary data.
func BytesField(p *Properties, id PropertyID) []byte { return *p.bytesField(id) }
