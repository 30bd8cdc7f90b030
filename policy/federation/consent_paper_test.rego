package homeroom.federation.consent_paper_test

import data.homeroom.federation.consent_example_test as example
import data.homeroom.federation.consent_paper

test_in_order if {
	consent_paper.written == {"0", "1"} with input as example.facts
	consent_paper.in_time == {"0", "1"} with input as example.facts
}

test_counts_from_the_later_of_signature_and_first_day if {
	consent_paper.starts["0"] == "2025-09-04" with input as example.facts
	later := example.with_value("/papers/0/valid_from", "2025-10-01")
	consent_paper.starts["0"] == "2025-10-01" with input as later
}

test_not_written if {
	cases := [
		["/papers/0/form", "oral"],
		["/papers/0/signed_on", "2026-09-01"],
		["/papers/0/signed_on", 2025],
		["/papers/0/valid_to", "soon"],
		["/papers/1/authenticated", false],
		["/papers/1/authenticated", "true"],
		["/papers/1/form", 1],
	]
	every case in cases {
		count(consent_paper.written) == 1 with input as example.with_value(case[0], case[1])
	}
}

test_nothing_is_in_order_without_its_part if {
	cases := {"form", "signed_on", "valid_to"}
	every part in cases {
		path := concat("/", ["/papers/0", part])
		consent_paper.written == {"1"} with input as example.without(path)
	}
	consent_paper.in_time == {"1"} with input as example.without("/papers/0/valid_from")
	consent_paper.in_time == set() with input as example.without("/now")
}

test_last_day_counts_and_the_next_does_not if {
	consent_paper.in_time == {"0", "1"} with input as example.with_value("/now", "2026-08-31T23:59:59Z")
	consent_paper.in_time == set() with input as example.with_value("/now", "2026-09-01T00:00:00Z")
}

test_an_empty_time_is_none if {
	consent_paper.in_time == {"1"} with input as example.with_value("/papers/0/valid_from", "2026-09-01")
}
