/* Where the programs are that come with the library and are not for people. */
#ifndef FLO_ENGINE_PROC_HELPER_H
#define FLO_ENGINE_PROC_HELPER_H

#define FLO__HELPER_PLACES 3

struct flo__helper {
	const char *env; /* the variable that overrides the search */
	/* Seen from the directory of the running program, in order. */
	const char *beside[FLO__HELPER_PLACES];
	const char *installed; /* last, whether it is there or not */
};

/*
 * The absolute path of @helper: @given, if it is not NULL; else its variable's
 * value, if it is not empty; else where it is. Whether it can be run is not
 * looked at: that matters to who runs it. For flo__free(); NULL: out of memory.
 */
char *flo__helper_find(const struct flo__helper *helper, const char *given);

#endif
