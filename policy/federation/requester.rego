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

organization_active if {
	input.requester.standing == "active"
	input.requester.organization_id == input.query.requester
}

# An organization of any other standing, or another one than asks, is not one we know.
default refused_as := "org_not_registered"

refused_as := data.federation.refused_standings[input.requester.standing]

# The node sets the user after it verified the person's token; without a role nobody is known.
user_authenticated if is_string(input.user.role)

user_trained if clock.today <= clock.day(input.user.training_valid_to)

training_ends_at := clock.end_of_day(input.user.training_valid_to)
