/*
 * What the engine and flo-minder say to each other, over a stream socket.
 *
 * The engine sends commands, the minder answers with replies. One step at a
 * time: after RUN the minder owes exactly one last reply (FAILED, GONE or
 * BLIND), before it perhaps STARTED and then EXITED. STOP and KILL that arrive when
 * nothing runs any more are ignored, so the engine may send them without
 * knowing how the race with the step's end went.
 *
 * End of file at the minder means that the engine died, or wants no more of
 * it: the step's whole tree gets SIGKILL at once, GONE is still sent (the
 * engine may have shut down only its sending side), then the minder ends.
 *
 * Both sides are built together, so the structs travel as they are.
 *
 * The write ends of the step's pipes stay open in the minder until its program
 * has ended. So the engine sees no end of file before that and is woken once
 * for a short step, by GONE; and after GONE an empty pipe is at its end.
 */
#ifndef FLO_ENGINE_PROC_MINDER_P_H
#define FLO_ENGINE_PROC_MINDER_P_H

#include <stdint.h>

/*
 * Where a minder finds its socket. Its arguments are the engine's pid and, if
 * there is one for it, the directory of the cgroup for its steps.
 */
#define FLO__MINDER_SOCKET 3

/* Most bytes that follow a RUN; the kernel's own limit is at most 6 MiB. */
#define FLO__MINDER_PAYLOAD_MAX (8u << 20)

/* STARTED is sent only for programs that run longer than this. */
#define FLO__MINDER_QUICK_NS INT64_C(3000000)

#define FLO__MINDER_STREAMS 3

/* Whether a program can be started inside a cgroup (minder_clone.c). */
#ifdef __x86_64__
#define FLO__MINDER_CLONES_INTO_CGROUP 1
#else
#define FLO__MINDER_CLONES_INTO_CGROUP 0
#endif

enum flo__minder_op {
	FLO__MINDER_RUN = 1,
	FLO__MINDER_STOP, /* @signal to the whole tree, SIGKILL after the grace */
	FLO__MINDER_KILL, /* SIGKILL to the whole tree until none is left */
};

struct flo__minder_command {
	uint32_t op;
	uint32_t len;	/* RUN: bytes that follow: directory, arguments and
			  environment, each string with its NUL */
	uint32_t argc;	/* RUN */
	uint32_t envc;	/* RUN */
	uint32_t fds;	/* RUN: bit n: a descriptor for stream n came along, in
			  order; the others are /dev/null */
	int32_t signal; /* STOP */
	uint64_t grace_ns; /* STOP; 0: SIGKILL now */
};

enum flo__minder_event {
	FLO__MINDER_STARTED = 1, /* it runs, and is not quickly done */
	FLO__MINDER_FAILED,	 /* it never ran; last reply */
	FLO__MINDER_EXITED,	 /* the program has ended, others of it live */
	FLO__MINDER_GONE,	 /* nothing of it is alive; last reply */
	FLO__MINDER_BLIND,	 /* what is alive of it cannot be seen; last
				    reply, and the minder ends */
};

/* What was being done when it failed: a start, or BLIND. */
enum flo__minder_stage {
	FLO__MINDER_AT_REQUEST = 1, /* taking the request in */
	FLO__MINDER_AT_FORK,
	FLO__MINDER_AT_SETUP, /* session, descriptors */
	FLO__MINDER_AT_DIR,
	FLO__MINDER_AT_EXEC,
	FLO__MINDER_AT_PROC_OPEN, /* looking for processes */
	FLO__MINDER_AT_PROC_READ,
};

struct flo__minder_reply {
	uint32_t event;
	uint32_t stage; /* FAILED, BLIND */
	int32_t errnum; /* FAILED, BLIND */
	int32_t pid;
	int32_t exit_code; /* EXITED, GONE: -1 if it was ended by a signal */
	int32_t signal;	   /* EXITED, GONE: 0 if it exited */
	uint64_t cpu_us;   /* so far: of all of the tree that has ended */
	uint64_t max_rss_kib;
	uint64_t spent; /* GONE: not 0: the minder ends, ask it nothing more */
};

#endif
