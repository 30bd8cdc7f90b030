# METADATA
# title: Judicial order
# description: >-
#   A judicial order or a lawfully issued subpoena, complied with after a reasonable effort to notify
#   the parent, unless the court ordered silence or the parent is a party to a dependency case.
# related_resources:
#   - https://www.ecfr.gov/current/title-34/section-99.31
# custom:
#   citation: 34 CFR 99.31(a)(9); 20 USC 1232g(b)(2)(B); requirements R27, R28
package homeroom.federation.order

import data.homeroom.federation.matter

kinds := {"court_order", "ex_parte_order", "grand_jury_subpoena", "subpoena", "warrant"}

lawful if {
	matter.current.issued_by_court_or_lawful_authority == true
	matter.current.kind in kinds
}

notified if matter.current.notice_effort_made == true

notified if matter.current.nondisclosure_ordered == true

notified if {
	matter.current.kind == "court_order"
	matter.current.parent_is_party_in_dependency_case == true
}

# METADATA
# custom: {citation: 34 CFR 99.31(a)(9)(i)}
codes contains "order_not_lawful" if not lawful

# METADATA
# custom: {citation: 34 CFR 99.31(a)(9)(ii)}
codes contains "prior_notice_missing" if {
	matter.on_file
	not notified
}
