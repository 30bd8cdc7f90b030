# METADATA
# title: Clock
# description: >-
#   Reads days and instants. A value of another type or form has no reading, so that a comparison
#   with it is undefined: OPA orders any number before any string.
# custom:
#   citation: law/scenarios.yaml, reading; days are whole and in UTC, the last one included
package homeroom.federation.clock

now := instant(input.now)

today := substring(written, 0, 10) if {
	written := input.now
	is_number(now)
}

day(text) := text if {
	is_string(text)
	regex.match(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`, text)
}

instant(text) := time.parse_rfc3339_ns(text) if {
	is_string(text)
	regex.match(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`, text)
}

end_of_day(text) := concat("", [day(text), "T23:59:59Z"])

seconds_after(nanoseconds, seconds) := time.format([
	nanoseconds + (seconds * 1000000000),
	"UTC",
	"2006-01-02T15:04:05Z",
])

day_before(day) := substring(seconds_after(instant(concat("", [day, "T00:00:00Z"])), -86400), 0, 10)

# 29 February of a common year is no day, and still stands between two others.
years_before(day, years) := concat("", [
	format_int(to_number(substring(day, 0, 4)) - years, 10),
	substring(day, 4, 6),
])
