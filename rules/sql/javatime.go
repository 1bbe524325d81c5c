package sql

import (
	"strings"
	"time"
)

// This file has what the two dialects of date patterns share: names and time zones.

const (
	// longestPattern is how long a pattern may be, in bytes.
	longestPattern = 1 << 10
	// longestZone is how long the name of a time zone may be.
	longestZone = 64
	// mostYear bounds the years of which int64 milliseconds are enough.
	mostYear = 292_000_000
)

var (
	monthNames = [...]string{
		"January", "February", "March", "April", "May", "June", "July",
		"August", "September", "October", "November", "December",
	}
	// dayNames begin with Monday, as ISO 8601 counts.
	dayNames  = [...]string{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}
	eraNames  = [...]string{"BC", "AD"}
	halfNames = [...]string{"AM", "PM"}
)

// isoDay returns the day of the week, from 1 for Monday.
func isoDay(d time.Weekday) int64 {
	if d == time.Sunday {
		return 7
	}
	return int64(d)
}

// locations are the time zones that were asked for; nil is one that does not exist.
var locations cache[*time.Location]

// location returns the time zone of an IANA name, as the host's system, or its import of
// time/tzdata, knows it; nil if it does not.
func location(name string) *time.Location {
	if name == "UTC" {
		return time.UTC
	}
	if len(name) > longestZone || !isZoneName(name) {
		return nil
	}
	return locations.get(name, func(name string) *time.Location {
		l, err := time.LoadLocation(name)
		if err != nil {
			return nil
		}
		return l
	})
}

// isZoneName reports that a text may be the name of a time zone. "Local" is none: it is
// another one on each machine.
func isZoneName(name string) bool {
	if name == "" || name == "Local" || !isLetter(name[0]) {
		return false
	}
	for i := range len(name) {
		if !isZoneByte(name[i]) {
			return false
		}
	}
	return true
}

func isZoneByte(c byte) bool {
	return isLetter(c) || isDigit(c) || c == '/' || c == '-' || c == '+'
}

// fixedZone returns the zone that is always seconds ahead of UTC, called by its offset.
func fixedZone(prefix string, seconds int) *time.Location {
	if seconds == 0 {
		if prefix == "" {
			return time.UTC
		}
		return time.FixedZone(prefix, 0)
	}
	return time.FixedZone(prefix+string(appendOffset(nil, seconds, true)), seconds)
}

// appendOffset appends +hh:mm or +hhmm.
func appendOffset(dst []byte, seconds int, colon bool) []byte {
	sign := byte('+')
	if seconds < 0 {
		sign, seconds = '-', -seconds
	}
	dst = appendPadded(append(dst, sign), int64(seconds/3600), 2)
	if colon {
		dst = append(dst, ':')
	}
	return appendPadded(dst, int64(seconds/60%60), 2)
}

// A zoneName is what people call a time zone; short and long, in winter and in summer.
type zoneName struct{ short, long, summer, longSummer string }

// zoneNames are the names by the zone's abbreviation in the IANA database, and where
// different regions have the same one, or have none, by the zone's name there. They are
// those that Java has. A zone that is not here is called by its abbreviation or offset.
var zoneNames = func() map[string]zoneName {
	names := map[string]zoneName{}
	for line := range strings.Lines(zoneTable) {
		f := strings.Split(strings.TrimSpace(line), "|")
		n := zoneName{short: f[1], long: f[2]}
		if len(f) > 3 {
			n.summer, n.longSummer = f[3], f[4]
		}
		for id := range strings.FieldsSeq(f[0]) {
			names[id] = n
		}
	}
	return names
}()

// zoneTable has on each line abbreviations or zones, and their names.
const zoneTable = `UTC|UTC|Coordinated Universal Time
GMT|GMT|Greenwich Mean Time
HST|HST|Hawaii-Aleutian Standard Time
AKST|AKST|Alaska Standard Time|AKDT|Alaska Daylight Time
PST|PST|Pacific Standard Time|PDT|Pacific Daylight Time
MST|MST|Mountain Standard Time|MDT|Mountain Daylight Time
CST|CST|Central Standard Time|CDT|Central Daylight Time
EST|EST|Eastern Standard Time|EDT|Eastern Daylight Time
AST|AST|Atlantic Standard Time|ADT|Atlantic Daylight Time
NST|NST|Newfoundland Standard Time|NDT|Newfoundland Daylight Time
WET|WET|Western European Standard Time|WEST|Western European Summer Time
CET|CET|Central European Standard Time|CEST|Central European Summer Time
EET|EET|Eastern European Standard Time|EEST|Eastern European Summer Time
MSK|MSK|Moscow Standard Time|MSD|Moscow Summer Time
SAST|SAST|South Africa Standard Time
WAT|WAT|West Africa Standard Time
CAT|CAT|Central Africa Time
EAT|EAT|East Africa Time
PKT|PKT|Pakistan Standard Time
WIB|WIB|Western Indonesia Time
WITA|WITA|Central Indonesia Time
WIT|WIT|Eastern Indonesia Time
HKT|HKT|Hong Kong Standard Time
KST|KST|Korean Standard Time
JST|JST|Japan Standard Time
AWST|AWST|Australian Western Standard Time
ACST|ACST|Australian Central Standard Time|ACDT|Australian Central Daylight Time
AEST|AEST|Australian Eastern Standard Time|AEDT|Australian Eastern Daylight Time
NZST|NZST|New Zealand Standard Time|NZDT|New Zealand Daylight Time
SST|SST|Samoa Standard Time
ChST|ChST|Chamorro Standard Time
Europe/London|GMT|Greenwich Mean Time|BST|British Summer Time
Europe/Dublin|GMT|Greenwich Mean Time|IST|Irish Standard Time
Europe/Istanbul Asia/Istanbul Turkey|TRT|Turkey Time
Europe/Samara|SAMT|Samara Standard Time
Atlantic/Azores|AZOT|Azores Standard Time|AZOST|Azores Summer Time
Asia/Jerusalem Asia/Tel_Aviv Israel|IST|Israel Standard Time|IDT|Israel Daylight Time
Asia/Kolkata Asia/Calcutta Asia/Colombo|IST|India Standard Time
Asia/Shanghai Asia/Macau PRC|CST|China Standard Time
Asia/Taipei|CST|Taipei Standard Time
Asia/Manila|PST|Philippine Standard Time
Asia/Singapore Singapore|SGT|Singapore Standard Time
Asia/Kuala_Lumpur Asia/Kuching|MYT|Malaysia Time
Asia/Bangkok Asia/Ho_Chi_Minh Asia/Saigon Asia/Vientiane Asia/Phnom_Penh|ICT|Indochina Time
Asia/Yangon Asia/Rangoon|MMT|Myanmar Time
Asia/Dhaka|BDT|Bangladesh Standard Time
Asia/Kathmandu Asia/Katmandu|NPT|Nepal Time
Asia/Kabul|AFT|Afghanistan Time
Asia/Tashkent Asia/Samarkand|UZT|Uzbekistan Standard Time
Asia/Tehran Iran|IRST|Iran Standard Time|IRDT|Iran Daylight Time
Asia/Dubai Asia/Muscat|GST|Gulf Standard Time
Asia/Riyadh Asia/Baghdad Asia/Kuwait Asia/Qatar Asia/Bahrain Asia/Aden|AST|Arabian Standard Time
Asia/Yerevan|AMT|Armenia Standard Time
Asia/Baku|AZT|Azerbaijan Standard Time
Asia/Tbilisi|GET|Georgia Standard Time
Asia/Yekaterinburg|YEKT|Yekaterinburg Standard Time
Asia/Omsk|OMST|Omsk Standard Time
Asia/Novosibirsk|NOVT|Novosibirsk Standard Time
Asia/Krasnoyarsk|KRAT|Krasnoyarsk Standard Time
Asia/Irkutsk|IRKT|Irkutsk Standard Time
Asia/Yakutsk|YAKT|Yakutsk Standard Time
Asia/Vladivostok|VLAT|Vladivostok Standard Time
Asia/Magadan|MAGT|Magadan Standard Time
America/Sao_Paulo America/Bahia America/Fortaleza America/Recife|BRT|Brasilia Standard Time|BRST|Brasilia Summer Time
America/Manaus America/Cuiaba|AMT|Amazon Standard Time|AMST|Amazon Summer Time
America/Argentina/Buenos_Aires America/Buenos_Aires|ART|Argentina Standard Time|ARST|Argentina Summer Time
America/Santiago|CLT|Chile Standard Time|CLST|Chile Summer Time
America/Bogota|COT|Colombia Standard Time
America/Lima|PET|Peru Standard Time
America/Caracas|VET|Venezuela Time
America/La_Paz|BOT|Bolivia Time
America/Guayaquil|ECT|Ecuador Time
America/Asuncion|PYT|Paraguay Standard Time|PYST|Paraguay Summer Time
America/Montevideo|UYT|Uruguay Standard Time|UYST|Uruguay Summer Time
America/Havana Cuba|CST|Cuba Standard Time|CDT|Cuba Daylight Time
America/Mazatlan America/Hermosillo|MST|Mexican Pacific Standard Time|MDT|Mexican Pacific Daylight Time
Indian/Mauritius|MUT|Mauritius Standard Time
Pacific/Fiji|FJT|Fiji Standard Time`

// parsedZones are the zones that the names of time_to_epoch's z stand for. Where several
// regions use one, it is the one that is named first.
var parsedZones = func() map[string]string {
	byName := map[string]string{}
	for _, zone := range [...][2]string{
		{"UTC", "UTC"},
		{"GMT", "GMT"},
		{"HST", "Pacific/Honolulu"},
		{"AKST", "America/Anchorage"},
		{"PST", "America/Los_Angeles"},
		{"MST", "America/Denver"},
		{"CST", "America/Chicago"},
		{"EST", "America/New_York"},
		{"AST", "America/Halifax"},
		{"NST", "America/St_Johns"},
		{"WET", "Europe/Lisbon"},
		{"CET", "Europe/Paris"},
		{"EET", "Europe/Bucharest"},
		{"MSK", "Europe/Moscow"},
		{"SAST", "Africa/Johannesburg"},
		{"WAT", "Africa/Lagos"},
		{"CAT", "Africa/Maputo"},
		{"EAT", "Africa/Nairobi"},
		{"PKT", "Asia/Karachi"},
		{"WIB", "Asia/Jakarta"},
		{"WITA", "Asia/Makassar"},
		{"WIT", "Asia/Jayapura"},
		{"HKT", "Asia/Hong_Kong"},
		{"KST", "Asia/Seoul"},
		{"JST", "Asia/Tokyo"},
		{"AWST", "Australia/Perth"},
		{"ACST", "Australia/Adelaide"},
		{"AEST", "Australia/Sydney"},
		{"NZST", "Pacific/Auckland"},
		{"SST", "Pacific/Pago_Pago"},
		{"Europe/London", "Europe/London"},
		{"Asia/Kolkata", "Asia/Kolkata"},
		{"Asia/Jerusalem", "Asia/Jerusalem"},
		{"Europe/Dublin", "Europe/Dublin"},
		{"Asia/Shanghai", "Asia/Shanghai"},
		{"Asia/Singapore", "Asia/Singapore"},
		{"Asia/Dubai", "Asia/Dubai"},
		{"America/Sao_Paulo", "America/Sao_Paulo"},
	} {
		n := zoneNames[zone[0]]
		for _, name := range [...]string{n.short, n.long, n.summer, n.longSummer} {
			if _, there := byName[name]; name != "" && !there {
				byName[name] = zone[1]
			}
		}
	}
	return byName
}()

// nameOfZone returns what the zone of a time is called; "" if nobody knows.
func nameOfZone(t time.Time, long bool) string {
	short, _ := t.Zone()
	n, ok := zoneNames[t.Location().String()]
	if !ok {
		if n, ok = zoneNames[short]; !ok {
			n, ok = summerNames[short]
		}
	}
	if !ok {
		if long || strings.ContainsAny(short[:1], "+-") {
			return ""
		}
		return short
	}
	summer := n.summer != "" && (short == n.summer || short != n.short && t.IsDST())
	switch {
	case summer && long:
		return n.longSummer
	case summer:
		return n.summer
	case long:
		return n.long
	}
	return n.short
}

// summerNames are zoneNames by the abbreviation that is used in summer.
var summerNames = func() map[string]zoneName {
	byName := map[string]zoneName{}
	for key, n := range zoneNames {
		if n.summer != "" && !strings.Contains(key, "/") {
			byName[n.summer] = n
		}
	}
	return byName
}()
