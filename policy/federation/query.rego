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
	some element, sources in input.holder.derived_from
	element in asked
	some source in sources
}

# Each element that some law treats apart, with what it is to that law.
traits := {[element, trait] |
	some element, named in object.filter(data.federation.traits, considered)
	some trait in named
}

# What occurs of all that: most questions ask for nothing of the kind, and few for much of it.
occurring := {trait | some [_, trait] in traits}

shareable := considered & object.keys(data.federation.elements)

never_shared := asked & object.keys(data.federation.never_shared)
