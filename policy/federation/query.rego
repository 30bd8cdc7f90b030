# METADATA
# title: Query
# description: >-
#   Reads what is asked: its elements, those that they are computed from, and what the law calls them.
# custom:
#   citation: 34 CFR 99.3 (personally identifiable information); requirements R02, R57
package homeroom.federation.query

asked := {element | some element in input.query.elements}

# A value that is computed from others can tell them: they are judged with it.
considered := asked | {source |
	some element in asked
	some source in input.holder.derived_from[element]
}

# Each element that some law treats apart, with what it is to that law.
traits := {[element, trait] |
	some element in considered
	some trait in data.federation.traits[element]
}

shareable := {element |
	some element in considered
	data.federation.elements[element]
}

never_shared := {element |
	some element in asked
	data.federation.never_shared[element]
}
