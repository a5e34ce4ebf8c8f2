/*
 * A disk that loses its power.
 *
 * The calls with which this program changes files (SQLite's and ours alike)
 * are recorded while they happen, byte by byte. Afterwards power_cut() makes a
 * directory that holds what a disk may hold if the power goes at the Nth call:
 *
 * - what was written to a file before an fsync() or fdatasync() of it that has
 *   returned is there
 * - of what was written since, each sector of 512 bytes is kept, lost, or
 *   garbled as a seed says, one by one: so later writes may be there without
 *   earlier ones. Garbled are only the bytes that were written, since SQLite
 *   asks as much of a disk ("powersafe overwrite"). A file may have grown
 *   without its bytes: then they are zeros
 * - cuts and reservations of a file that was not synced since happened or not
 * - of names made, changed and removed since the last fsync() of their
 *   directory each happened or not, a rename as a whole
 * - memory that is shared through a file (PATH-shm) is garbage
 *
 * One recording serves all N and all seeds, since nothing that happens before
 * a cut depends on it.
 *
 * How: this program defines the functions of libc below, so libraries get them
 * too. Nothing is really synced, in any phase.
 *
 * Threads: recording takes a lock; all else while no store is open.
 */
#ifndef FLO_TESTS_POWER_DISK_H
#define FLO_TESTS_POWER_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Begin to record what happens below @dir, an absolute path without symbolic
 * links. What is there already is on the disk.
 */
void power_record(const char *dir);
void power_stop(void);
/* Forget the recording. */
void power_forget(void);

/* How many calls were recorded so far. */
size_t power_calls(void);

/* Have the write number @nth from now fail once with ENOSPC; 0: none. */
void power_fill_disk(int nth);
/* Whether that write came. */
bool power_disk_was_full(void);

#define POWER_LOSES_ALL 0	   /* a seed: all that was not synced is lost */
#define POWER_KEEPS_ALL UINT64_MAX /* a seed: the disk keeps everything */

/*
 * Make in the empty directory @dir what is left if the power goes during call
 * @at (from 0). @at = power_calls(): after the last one.
 */
void power_cut(size_t at, uint64_t seed, const char *dir);

/* What call @at did, for people. Valid until the next call. */
const char *power_describe(size_t at);

#endif
