package sql

import "time"

// millis makes a point in time of the fields: what says nothing of a clock is midnight,
// and what says nothing of a zone is UTC. It reports false if the fields contradict each
// other or are not enough.
func (p *parsedTime) millis() (ms int64, ok bool) {
	if !p.resolveYear() || !p.resolveHour() {
		return 0, false
	}
	day, ok := p.date()
	if !ok {
		return 0, false
	}
	seconds, nanos, ok := p.clock()
	if !ok || !p.agrees(day, seconds) {
		return 0, false
	}
	local := day*secondsOfDay + seconds
	switch offset, has := p.take(fieldOffset); {
	case has && (offset > maxOffset || offset < -maxOffset):
		return 0, false
	case has:
		local -= offset
	case p.zone != nil:
		local -= offsetOf(p.zone, local)
	}
	return local*1000 + nanos/1e6, true
}

const (
	secondsOfDay = 24 * 60 * 60
	nanosOfDay   = secondsOfDay * 1e9
	// julianEpoch is the Modified Julian Day of 1970-01-01.
	julianEpoch = 40587
)

// offsetOf returns how far the local time of a zone, in seconds as if it were UTC, is
// from UTC. Of two possibilities, when clocks go back, the earlier point in time counts;
// a time that clocks skip is one that they show after they have skipped as much.
func offsetOf(zone *time.Location, local int64) int64 {
	at := func(unix int64) int64 {
		_, offset := time.Unix(unix, 0).In(zone).Zone()
		return int64(offset)
	}
	// What is wanted is the period between changes around this time, or one beside it.
	about := time.Unix(local-at(local), 0).In(zone)
	start, end := about.ZoneBounds()
	current := at(about.Unix())
	before, after := current, current
	if !start.IsZero() {
		before = at(start.Unix() - 1)
	}
	if !end.IsZero() {
		after = at(end.Unix())
	}
	best, found := int64(0), false
	for _, offset := range [...]int64{before, current, after} {
		if at(local-offset) == offset && (!found || offset > best) {
			best, found = offset, true
		}
	}
	switch {
	case found:
		return best
	case !start.IsZero() && local >= start.Unix()+before && local < start.Unix()+current:
		return before
	}
	return current
}

// resolveYear makes a year of the year of an era.
func (p *parsedTime) resolveYear() bool {
	year, ok := p.take(fieldYearOfEra)
	if !ok {
		return true
	}
	if year < 1 {
		return false
	}
	if era, ok := p.take(fieldEra); ok && era == 0 {
		year = 1 - year
	} else if proleptic := p.values[fieldYear]; !ok && p.has(fieldYear) && proleptic <= 0 {
		year = 1 - year
	}
	return p.put(fieldYear, year)
}

// within takes a field if it is there, and reports false if it is out of bounds.
func (p *parsedTime) within(f javaField, least, most int64) bool {
	return !p.has(f) || p.values[f] >= least && p.values[f] <= most
}

// resolveHour makes an hour of the day of the other ways to say it.
func (p *parsedTime) resolveHour() bool {
	if !p.within(fieldClockHour, 0, 24) || !p.within(fieldHalfClockHour, 0, 12) || !p.within(fieldHalfHour, 0, 11) ||
		!p.within(fieldMilliOfDay, 0, nanosOfDay/1e6-1) || !p.within(fieldNanoOfDay, 0, nanosOfDay-1) {
		return false
	}
	ok := true
	if n, has := p.take(fieldClockHour); has {
		ok = ok && p.put(fieldHour, n%24)
	}
	if n, has := p.take(fieldHalfClockHour); has {
		ok = ok && p.put(fieldHalfHour, n%12)
	}
	if p.has(fieldHalf) && p.has(fieldHalfHour) {
		half, _ := p.take(fieldHalf)
		hour, _ := p.take(fieldHalfHour)
		ok = ok && p.put(fieldHour, half*12+hour)
	}
	nanos, has := p.take(fieldNanoOfDay)
	if millis, hasMillis := p.take(fieldMilliOfDay); hasMillis {
		if has && nanos/1e6 != millis {
			return false
		}
		if !has {
			nanos, has = millis*1e6, true
		}
	}
	if has {
		ok = ok && p.put(fieldHour, nanos/3600e9) && p.put(fieldMinute, nanos/60e9%60) &&
			p.put(fieldSecond, nanos/1e9%60) && p.put(fieldNano, nanos%1e9)
	}
	return ok
}

// clock returns the time of the day; 24:00 is the end of it.
func (p *parsedTime) clock() (seconds, nanos int64, ok bool) {
	hour, hasHour := p.take(fieldHour)
	minute, hasMinute := p.take(fieldMinute)
	second, hasSecond := p.take(fieldSecond)
	nanos, hasNanos := p.take(fieldNano)
	switch {
	case !hasHour && (hasMinute || hasSecond || hasNanos || p.has(fieldHalf) || p.has(fieldHalfHour)),
		!hasMinute && (hasSecond || hasNanos), !hasSecond && hasNanos && hasMinute:
		return 0, 0, false // there is a gap
	case !hasHour:
		return 0, 0, true
	}
	if !hasMinute {
		minute = 0
	}
	if !hasSecond {
		second = 0
	}
	if !hasNanos {
		nanos = 0
	}
	if hour == 24 && minute == 0 && second == 0 && nanos == 0 {
		return secondsOfDay, 0, true
	}
	ok = hour >= 0 && hour <= 23 && minute >= 0 && minute <= 59 && second >= 0 && second <= 59 && nanos >= 0 && nanos < 1e9
	return hour*3600 + minute*60 + second, nanos, ok
}

// date returns the days since 1970. Fields that it is made of are taken.
func (p *parsedTime) date() (day int64, ok bool) {
	if !p.within(fieldYear, -mostYear, mostYear) || !p.within(fieldWeekYear, -mostYear, mostYear) ||
		!p.within(fieldMonth, 1, 12) || !p.within(fieldLocalDay, 1, 7) {
		return 0, false
	}
	if n, has := p.take(fieldLocalDay); has && !p.put(fieldDayOfWeek, (n+5)%7+1) {
		return 0, false
	}
	all := func(fields ...javaField) bool {
		for _, f := range fields {
			if !p.has(f) {
				return false
			}
		}
		return true
	}
	year, month := int(p.values[fieldYear]), time.Month(p.values[fieldMonth])
	switch {
	case all(fieldYear, fieldMonth, fieldDay):
		n, _ := p.take(fieldDay)
		if n < 1 || n > 31 {
			return 0, false
		}
		p.take(fieldYear)
		p.take(fieldMonth)
		first := dayNumber(year, month, 1)
		// A day that the month does not have is its last one.
		return first + min(n, dayNumber(year, month+1, 1)-first) - 1, true
	case all(fieldYear, fieldDayOfYear):
		n, _ := p.take(fieldDayOfYear)
		p.take(fieldYear)
		first := dayNumber(year, time.January, 1)
		return first + n - 1, n >= 1 && n <= dayNumber(year+1, time.January, 1)-first
	case all(fieldYear, fieldMonth, fieldWeekOfMonth, fieldDayOfWeek):
		n, _ := p.take(fieldWeekOfMonth)
		weekday, _ := p.take(fieldDayOfWeek)
		p.take(fieldYear)
		p.take(fieldMonth)
		return sunday(dayNumber(year, month, 1)) + (n-1)*7 + weekday%7, n >= 0 && n <= 6
	case all(fieldWeekYear, fieldWeekOfYear, fieldDayOfWeek) && !p.has(fieldYear):
		n, _ := p.take(fieldWeekOfYear)
		weekday, _ := p.take(fieldDayOfWeek)
		y, _ := p.take(fieldWeekYear)
		first, next := sunday(dayNumber(int(y), time.January, 1)), sunday(dayNumber(int(y)+1, time.January, 1))
		// A week that the year does not have is its last one.
		return first + (min(n, (next-first)/7)-1)*7 + weekday%7, n >= 1 && n <= 53
	case all(fieldModifiedJulian):
		n, _ := p.take(fieldModifiedJulian)
		return n - julianEpoch, n > -mostYear*366 && n < mostYear*365
	}
	return 0, false
}

// dayNumber returns the days since 1970.
func dayNumber(year int, month time.Month, day int) int64 {
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / secondsOfDay
}

// sunday returns the last Sunday up to a day: weeks begin with it in the United States.
func sunday(day int64) int64 {
	n := (day + 4) % 7 // 1970-01-01 was a Thursday
	if n < 0 {
		n += 7
	}
	return day - n
}

// agrees reports that what is left of the fields is true of the date and the time.
func (p *parsedTime) agrees(day, seconds int64) bool {
	if p.there&^(1<<fieldOffset) == 0 {
		return true
	}
	t := time.Unix(day*secondsOfDay, 0).UTC()
	year, month, dom := t.Date()
	weekYear := time.Unix((sunday(day)+6)*secondsOfDay, 0).UTC().Year()
	hour := seconds / 3600 % 24
	for _, x := range [...]struct {
		field javaField
		n     int64
	}{
		{fieldEra, int64(eraOf(year))},
		{fieldYear, int64(year)},
		{fieldQuarter, int64(month-1)/3 + 1},
		{fieldMonth, int64(month)},
		{fieldDay, int64(dom)},
		{fieldDayOfYear, int64(t.YearDay())},
		{fieldDayOfWeek, isoDay(t.Weekday())},
		{fieldAlignedDay, int64(dom-1)%7 + 1},
		{fieldModifiedJulian, day + julianEpoch},
		{fieldWeekYear, int64(weekYear)},
		{fieldWeekOfYear, (sunday(day)-sunday(dayNumber(weekYear, time.January, 1)))/7 + 1},
		{fieldWeekOfMonth, (sunday(day)-sunday(dayNumber(year, month, 1)))/7 + 1},
		{fieldHalf, hour / 12},
		{fieldHalfHour, hour % 12},
	} {
		if p.has(x.field) && p.values[x.field] != x.n {
			return false
		}
	}
	return true
}
