# METADATA
# title: Users
# description: >-
#   Facts about whether the agreement admits the person who asks: by role, and by name where it
#   names the users of the requester.
# related_resources:
#   - https://www.ecfr.gov/current/title-34/section-99.35
# custom:
#   citation: 34 CFR 99.31(a)(6)(iii)(C)(3), 99.35(a)(3)(v); requirements section 2.1
package homeroom.federation.users

# An agreement that lists no roles sets no limit; one that lists them admits only these.
role_authorized if {
	role := input.user.role
	role in object.get(input.agreement, "authorized_roles", [role])
}

# One that names users of the requester admits only these.
named if {
	user := object.get(input.user, "user_id", "")
	user in object.get(input.agreement, "named_users", [user])
}

admitted if {
	role_authorized
	named
}
