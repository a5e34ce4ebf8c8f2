/*
 * What an exploration found, told so that a person can follow it: which thread
 * ran from where to where, and the schedule as a string. The exploration runs
 * in a child, since what it may find is a crash; the result lies in memory
 * that is shared with the parent.
 */
#include "tests/interleave/explore_p.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct step {
	const char *file;
	int line;
	uint8_t thread;
	char what; /* r w: reads, writes; s: spins; j: joins; e: ends */
};

struct explore_result *report_result;
static struct step trace[STEPS_MAX + 1];
static uint32_t trace_len;
static const char *names[THREADS_MAX];
static bool every_step;

void report_begin(void)
{
	trace_len = 0;
}

void report_name(unsigned thread, const char *name)
{
	names[thread] = name;
}

void report_step(unsigned thread, const char *file, int line, char what)
{
	report_result->steps++;
	if (trace_len <= STEPS_MAX)
		trace[trace_len++] =
			(struct step){file, line, (uint8_t)thread, what};
}

static void add(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void add(const char *format, ...)
{
	char *text = report_result->text;
	size_t len = strlen(text), room = sizeof(report_result->text) - len;
	va_list args;

	va_start(args, format);
	vsnprintf(text + len, room, format, args);
	va_end(args);
}

static const char *short_name(const char *file)
{
	while (strncmp(file, "../", 3) == 0)
		file += 3;
	return file;
}

static void add_step(const struct step *s)
{
	add("%s:%d%s", short_name(s->file), s->line,
	    s->what == 's' ? " spins" : "");
}

static void add_stretch(uint32_t first, uint32_t next)
{
	const struct step *from = &trace[first];

	add("%6u  %u %-8s ", first + 1, from->thread, names[from->thread]);
	add_step(from);
	if (next > first + 1) {
		add(" .. ");
		add_step(&trace[next - 1]);
	}
	add("\n");
}

static uint32_t end_of_stretch(uint32_t first)
{
	uint32_t next = first + 1;

	while (next < trace_len && !every_step &&
	       trace[next].thread == trace[first].thread)
		next++;
	return next;
}

/* A look and a spin, as those that wait do over and over. */
static bool is_vain(uint32_t first, uint32_t next)
{
	return next - first <= 2 && trace[next - 1].what == 's';
}

/* Each stretch of one thread: where it began, where it stopped. */
static void add_trace(void)
{
	bool was_vain = false, vain;
	uint32_t next;

	for (uint32_t first = 0; first < trace_len; first = next) {
		next = end_of_stretch(first);
		vain = is_vain(first, next) && !every_step;
		if (!vain || !was_vain)
			add_stretch(first, next);
		was_vain = vain;
	}
}

void report_found(enum explore_finding finding, const char *text)
{
	/* What goes wrong from here on is not what was looked for. */
	signal(SIGABRT, SIG_DFL);
	signal(SIGSEGV, SIG_DFL);
	report_result->finding = finding;
	add("%s\n", text);
	add_trace();
	if (report_result->schedule[0] == '\0')
		schedule_print(report_result->schedule,
			       sizeof(report_result->schedule));
	_exit(0);
}

void explore_check(bool holds, const char *text)
{
	if (!holds)
		report_found(EXPLORE_CHECK, text);
}

/* What was written to stderr, the message of a contract as a rule. */
static void crashed(int signal_number)
{
	char text[2048];
	ssize_t len = pread(STDERR_FILENO, text, sizeof(text) - 1, 0);

	text[len > 0 ? len : 0] = '\0';
	if (len <= 0)
		snprintf(text, sizeof(text), "signal %d", signal_number);
	report_found(signal_number == SIGALRM ? EXPLORE_LIVELOCK
					      : EXPLORE_CRASH,
		     text);
}

/* A fault may be of a stack that is used up. */
static void catch_crashes(void)
{
	static char stack[64 << 10];
	stack_t alt = {.ss_sp = stack, .ss_size = sizeof(stack)};
	struct sigaction action = {.sa_handler = crashed,
				   .sa_flags = SA_ONSTACK};
	int fd = memfd_create("stderr", 0);

	if (fd < 0 || dup2(fd, STDERR_FILENO) < 0)
		report_found(EXPLORE_UNSTABLE, "no memory file");
	sigaltstack(&alt, NULL);
	sigaction(SIGABRT, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGALRM, &action, NULL);
}

static void child(const struct explore_scenario *scenario, unsigned bound,
		  const char *schedule)
{
	catch_crashes();
	if (schedule != NULL)
		schedule_replay(scenario, schedule);
	else
		schedule_all(scenario, bound);
	_exit(0);
}

void explore(const struct explore_scenario *scenario, unsigned bound,
	     const char *schedule, struct explore_result *ret_result)
{
	struct explore_result *shared;
	int status;
	pid_t pid;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(shared != MAP_FAILED);
	report_result = shared;
	if (schedule != NULL)
		snprintf(shared->schedule, sizeof(shared->schedule), "%s",
			 schedule);
	every_step = schedule != NULL;
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		child(scenario, bound, schedule);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		shared->finding = EXPLORE_CRASH;
		add("the explorer ended with status %d\n", status);
	}
	*ret_result = *shared;
	munmap(shared, sizeof(*shared));
}
