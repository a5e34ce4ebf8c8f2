# Whoever gets a slot starts, even if the failure that freed it ended all.
/^static flo_status enter/,/^}/ s/flo_context_status\(group->context\) == FLO_OK/joined/
