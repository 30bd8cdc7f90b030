# METADATA
# title: Child welfare
# description: >-
#   An agency or tribal organization that is legally responsible for the student, and in it someone
#   with the right to see the case plan. An inquiry is not enough.
# custom:
#   citation: 20 USC 1232g(b)(1)(L); requirements R41
package homeroom.federation.child_welfare

import data.homeroom.federation.matter

responsible if {
	input.requester.kind in {"child_welfare_agency", "tribal_organization"}
	matter.current.legally_responsible == true
	matter.current.may_access_case_plan == true
}

# METADATA
# custom: {citation: 20 USC 1232g(b)(1)(L)}
codes contains "child_welfare_not_responsible" if not responsible
