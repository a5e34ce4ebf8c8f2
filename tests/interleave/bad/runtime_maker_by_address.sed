# Who has the record of the group's maker is taken for the maker.
s/flo__g_life\(g\) == group->maker_life/true/
