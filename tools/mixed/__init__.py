"""Two versions in one federation: an earlier commit's processes beside this tree's."""
