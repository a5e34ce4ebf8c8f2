# A member leaves and then touches the group again.
/^static void leave_with_slot/,/^}/ {
	s/^\tgive_slot\(group\);/\tleave(group);/
	t
	s/^\tleave\(group\);/\tgive_slot(group);/
}
