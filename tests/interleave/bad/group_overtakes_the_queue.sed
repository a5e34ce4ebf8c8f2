# Free slots are given to nobody who queues.
/^static void give_slot/,/^}/ s/^\t\tpump\(group\);/\t\t{ }/
