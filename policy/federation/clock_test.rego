package homeroom.federation.clock_test

import data.homeroom.federation.clock

test_reads_days_and_instants if {
	clock.today == "2026-03-10" with input.now as "2026-03-10T14:00:00Z"
	clock.now == 1773151200000000000 with input.now as "2026-03-10T14:00:00Z"
	clock.end_of_day("2026-03-10") == "2026-03-10T23:59:59Z"
	clock.seconds_after(clock.instant("2026-03-10T23:59:59Z"), 1) == "2026-03-11T00:00:00Z"
}

test_reads_no_other_form if {
	every written in [null, 5, true, "", "2026-03-10", "2026-03-10T14:00:00+01:00", "today"] {
		not clock.instant(written)
	}
}

test_no_instant_means_no_day if {
	not clock.today with input as {}
	not clock.today with input.now as "2026-03-10 at two"
}

test_ends_are_whole_seconds if clock.seconds_after(clock.instant("2026-03-10T14:00:00Z"), 0.5) == "2026-03-10T14:00:00Z"

test_reads_no_other_day if {
	every written in [null, 0, [], "2026-3-1", "2026-03-10T14:00:00Z"] {
		not clock.day(written)
	}
}

test_steps_back_a_day_and_years if {
	clock.day_before("2026-03-01") == "2026-02-28"
	clock.years_before("2026-03-10", 18) == "2008-03-10"
}
