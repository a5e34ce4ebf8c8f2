# A reader waits without having said so: who leaves looks for nobody.
/^static bool read_or_announce/,/^}/ s/s \+ 1 : s \| QUEUE/s + 1 : s/
