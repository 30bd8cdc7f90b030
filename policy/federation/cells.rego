# METADATA
# title: Cells
# description: >-
#   The smallest count that an answer may show: the larger of what the federation and the agreement
#   ask for. The federation's is the lowest minimum that any state's rule had (most had 10), for each
#   holder says in its own rules which it keeps to, and those can only ask for more.
# custom:
#   citation: NCES 2011-603; requirements R56
package homeroom.federation.cells

min_size := max({data.federation.min_cell_size, size}) if {
	size := object.get(object.get(input, "agreement", {}), "min_cell_size", data.federation.min_cell_size)
	is_number(size)
}
