# METADATA
# title: Requester
# description: Facts about the organization that asks and the person who asks for it.
# related_resources:
#   - https://www.ecfr.gov/current/title-34/section-99.31
#   - https://www.ecfr.gov/current/title-34/section-99.67
# custom:
#   citation: 34 CFR 99.31(c), 99.67(c)-(e); 34 CFR 300.623(c); requirements R35, R40, R47
package homeroom.federation.requester

import data.homeroom.federation.clock
import data.homeroom.federation.ground

organization_active if {
	input.requester.standing == "active"
	input.requester.organization_id == input.query.requester
}

# A bar of five years or more has a last day.
organization_active if {
	input.requester.standing == "debarred"
	clock.day(input.requester.debarred_until) < clock.today
	input.requester.organization_id == input.query.requester
}

# Emergency and court disclosures go where they must, also outside the federation.
organization_active if {
	input.requester.standing == "unknown"
	ground.terms.unregistered == true
	input.requester.organization_id == input.query.requester
}

# An organization of any other standing, or another one than asks, is not one we know.
default refused_as := "org_not_registered"

refused_as := data.federation.refused_standings[input.requester.standing]

# The node says so after it verified the person's token; without a role nobody is known.
user_authenticated if {
	input.user.authenticated == true
	is_string(input.user.role)
}

training_asked if not ground.terms.untrained

user_trained if clock.today <= clock.day(input.user.training_valid_to)

# A parent, a court and whoever answers an emergency are not the federation's users.
user_trained if ground.terms.untrained == true

training_ends_at := clock.end_of_day(input.user.training_valid_to) if training_asked
