/* Names of signals, as pipelines and events write them. */
#ifndef FLO_BASE_SIGNAL_NAME_H
#define FLO_BASE_SIGNAL_NAME_H

/* "SIGSEGV" for 11; "SIG99" for a number without a name. */
const char *flo__signal_name(int signal);
/* 15 for "SIGTERM" (or "TERM"); 0 if there is no such signal. */
int flo__signal_parse(const char *name);

#endif
