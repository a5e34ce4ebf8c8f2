# The last reader leaves by the short way, past a writer that waits.
/^void flo_rwmutex_runlock/,/^}/ s/!\(s & QUEUE\) && (readers_in\(s\) > 0\))/\1/
