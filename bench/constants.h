/*
 * How much work each row does. All programs that a row compares do the same;
 * peers/sched.go repeats these figures, so change both.
 */
#ifndef FLO_BENCH_CONSTANTS_H
#define FLO_BENCH_CONSTANTS_H

#define WARM_NS 50000000u  /* not counted, before each measurement */
#define RUN_NS	300000000u /* counted, at least */

#define GROUP_LIMIT   64
#define GROUP_MEMBERS 10000   /* a group with a limit */
#define BATCH	      1000    /* without one */
#define MILLION	      1000000 /* live, parked, not started */
#define YIELDS	      100000  /* of each of two */
#define SWITCHES      1000000 /* there and back */
#define PINGS	      50000   /* round trips */
#define ECHOES	      5000    /* round trips through a socket pair */
#define CHAN_CAPACITY 128
#define VALUES	      100000 /* through a channel */
#define CHAN_SIDES    4	     /* senders and receivers of the 4x4 row */
#define MUTEX_USERS   8
#define LOCKS	      20000 /* of each user */

#define WORK_NS	     10000 /* a task of the speed-up row */
#define TASKS	     100000
#define LONG_NS	     200000 /* a task of the pair */
#define PAIRS	     500
#define BURST	     1000
#define BURSTS	     20
#define BURST_GAP_NS 20000000u /* before each, for the hogs to settle */

#define DAG_NODES  100000
#define DAG_LAYERS 1000
#define DAG_WIDTH  100
#define DAG_SEED   42

#endif
