package homeroom.federation.users_test

import data.homeroom.federation.example_test as example
import data.homeroom.federation.users

test_without_a_limit_every_role_is_admitted if users.admitted with input as example.facts

test_listed_role_is_authorized if {
	roles := ["case_manager", "director"]
	users.admitted with input as example.with_value("/agreement/authorized_roles", roles)
}

test_another_role_is_not if {
	others := example.with_value("/agreement/authorized_roles", ["director"])
	users.named with input as others
	not users.role_authorized with input as others
	not users.admitted with input as others
}

test_only_those_who_are_named_are_admitted if {
	named := example.with_value("/agreement/named_users", ["u1"])
	not users.admitted with input as named
	users.admitted with input as json.patch(
		named,
		[{"op": "add", "path": "/user/user_id", "value": "u1"}],
	)
	not users.admitted with input as json.patch(
		named,
		[{"op": "add", "path": "/user/user_id", "value": "u2"}],
	)
}

test_nobody_has_no_role if not users.role_authorized with input as example.without("/user")
