/* flo-minder, spoken to directly: what it answers, and what it leaves alive. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "engine/proc/minder_p.h"
#include "proc_util.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

struct client {
	int sock;
	pid_t pid;
	int out; /* read end of the step's stdout and stderr */
};

static char *const plain_env[] = {(char *)"PATH=/usr/local/bin:/usr/bin:/bin",
				  NULL};

static void client_open(struct client *c)
{
	posix_spawn_file_actions_t actions;
	char pid[16], *argv[] = {(char *)"flo-minder", pid, NULL};
	char *env[] = {NULL};
	int sv[2];

	snprintf(pid, sizeof(pid), "%d", getpid());
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv),
			 0);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, sv[1], FLO__MINDER_SOCKET);
	assert_int_equal(posix_spawn(&c->pid, FLO__TEST_MINDER, &actions, NULL,
				     argv, env),
			 0);
	posix_spawn_file_actions_destroy(&actions);
	close(sv[1]);
	c->sock = sv[0];
	c->out = -1;
}

/* End the conversation; the minder must go by itself. */
static void client_close(struct client *c)
{
	int status;

	close(c->sock);
	if (c->out >= 0)
		close(c->out);
	assert_true(ends_in_time(c->pid, DEADLINE_MS));
	assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
	assert_int_equal(status, 0);
}

static void put(char **at, const char *text)
{
	size_t size = strlen(text) + 1;

	memcpy(*at, text, size);
	*at += size;
}

static void send_all(int sock, const void *bytes, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = send(sock, (const char *)bytes + done, len - done,
				 MSG_NOSIGNAL);

		assert_true(n > 0);
		done += (size_t)n;
	}
}

static void send_head(int sock, const struct flo__minder_command *head,
		      const int *fds, unsigned n)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(3 * sizeof(int))];
	struct iovec iov = {(void *)(uintptr_t)head, sizeof(*head)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n > 0) {
		struct cmsghdr *c = (struct cmsghdr *)control;

		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	}
	assert_int_equal(sendmsg(sock, &msg, MSG_NOSIGNAL), sizeof(*head));
}

/* Ask for a program. Its output comes at c->out; @in becomes its stdin. */
static void client_run(struct client *c, const char *dir,
		       const char *const *argv, char *const *env, int in)
{
	struct flo__minder_command head = {.op = FLO__MINDER_RUN, .fds = 6};
	size_t size = strlen(dir) + 1;
	int p[2], fds[3], n = 0;
	char *payload, *at;

	for (head.argc = 0; argv[head.argc] != NULL; head.argc++)
		size += strlen(argv[head.argc]) + 1;
	for (head.envc = 0; env[head.envc] != NULL; head.envc++)
		size += strlen(env[head.envc]) + 1;
	payload = at = malloc(size);
	assert_non_null(payload);
	put(&at, dir);
	for (unsigned i = 0; i < head.argc; i++)
		put(&at, argv[i]);
	for (unsigned i = 0; i < head.envc; i++)
		put(&at, env[i]);
	head.len = (uint32_t)size;
	if (c->out >= 0)
		close(c->out);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	c->out = p[0];
	if (in >= 0) {
		head.fds |= 1;
		fds[n++] = in;
	}
	fds[n++] = p[1];
	fds[n++] = p[1];
	send_head(c->sock, &head, fds, (unsigned)n);
	send_all(c->sock, payload, size);
	free(payload);
	close(p[1]);
}

static void client_sh(struct client *c, const char *script, const char *arg)
{
	const char *argv[] = {"sh", "-c", script, arg, NULL};

	client_run(c, "/", argv, plain_env, -1);
}

static void client_stop(struct client *c, int signal, uint64_t grace_ns)
{
	struct flo__minder_command head = {.op = FLO__MINDER_STOP,
					   .signal = signal,
					   .grace_ns = grace_ns};

	send_head(c->sock, &head, NULL, 0);
}

static void client_kill(struct client *c)
{
	struct flo__minder_command head = {.op = FLO__MINDER_KILL};

	send_head(c->sock, &head, NULL, 0);
}

static struct flo__minder_reply next_reply(struct client *c)
{
	struct flo__minder_reply reply;

	assert_true(readable(c->sock, DEADLINE_MS));
	assert_int_equal(recv(c->sock, &reply, sizeof(reply), MSG_WAITALL),
			 sizeof(reply));
	return reply;
}

/* Skip what comes before the last word on a step. */
static struct flo__minder_reply last_reply(struct client *c)
{
	struct flo__minder_reply reply;

	do
		reply = next_reply(c);
	while (reply.event != FLO__MINDER_GONE &&
	       reply.event != FLO__MINDER_FAILED);
	return reply;
}

/* Read output until its end or until @until was seen. */
static const char *output(struct client *c, const char *until)
{
	static char text[65536];
	size_t len = 0;
	ssize_t n;

	text[0] = '\0';
	while (until == NULL || strstr(text, until) == NULL) {
		assert_true(readable(c->out, DEADLINE_MS));
		n = read(c->out, text + len, sizeof(text) - 1 - len);
		assert_true(n >= 0);
		if (n == 0)
			break;
		len += (size_t)n;
		text[len] = '\0';
	}
	return text;
}

static void exit_and_gone_come_in_one_reply(void **state)
{
	const char *argv[] = {"/bin/true", NULL};
	struct flo__minder_reply reply;
	struct client c;

	(void)state;
	client_open(&c);
	client_run(&c, "/", argv, plain_env, -1);
	do
		reply = next_reply(&c);
	while (reply.event == FLO__MINDER_STARTED);
	assert_int_equal(reply.event, FLO__MINDER_GONE);
	assert_int_equal(reply.exit_code, 0);
	assert_true(reply.pid > 0);
	assert_true(reply.max_rss_kib > 0);
	client_close(&c);
}

static void exit_codes_and_signals_are_told_apart(void **state)
{
	struct flo__minder_reply reply;
	struct client c;

	(void)state;
	client_open(&c);
	client_sh(&c, "exit 7", NULL);
	reply = last_reply(&c);
	assert_int_equal(reply.exit_code, 7);
	assert_int_equal(reply.signal, 0);
	client_sh(&c, "kill -SEGV $$", NULL);
	reply = last_reply(&c);
	assert_int_equal(reply.exit_code, -1);
	assert_int_equal(reply.signal, SIGSEGV);
	client_sh(&c, "exit 139", NULL);
	reply = last_reply(&c);
	assert_int_equal(reply.exit_code, 139);
	assert_int_equal(reply.signal, 0);
	client_close(&c);
}

static void what_runs_longer_is_announced(void **state)
{
	const char *argv[] = {"sh", "-c", "read x; exit $x", NULL};
	struct flo__minder_reply reply;
	struct client c;
	int in[2];

	(void)state;
	client_open(&c);
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	client_run(&c, "/", argv, plain_env, in[0]);
	close(in[0]);
	reply = next_reply(&c);
	assert_int_equal(reply.event, FLO__MINDER_STARTED);
	assert_int_equal(kill(reply.pid, 0), 0);
	assert_int_equal(write(in[1], "5\n", 2), 2);
	reply = next_reply(&c);
	assert_int_equal(reply.event, FLO__MINDER_GONE);
	assert_int_equal(reply.exit_code, 5);
	close(in[1]);
	client_close(&c);
}

static void what_a_program_leaves_behind_is_ended(void **state)
{
	const char *mark = fresh_mark();
	struct flo__minder_reply reply;
	struct client c;

	(void)state;
	client_open(&c);
	client_sh(&c, "setsid sleep $0 & exit 4", mark);
	do
		reply = next_reply(&c);
	while (reply.event == FLO__MINDER_STARTED);
	assert_int_equal(reply.event, FLO__MINDER_EXITED);
	assert_int_equal(reply.exit_code, 4);
	client_kill(&c);
	reply = next_reply(&c);
	assert_int_equal(reply.event, FLO__MINDER_GONE);
	assert_int_equal(reply.exit_code, 4);
	assert_int_equal(alive_with(mark), 0);
	client_close(&c);
}

static void stop_ends_a_tree_of_seven(void **state)
{
	const char *mark = fresh_mark();
	struct flo__minder_reply reply;
	struct client c;

	(void)state;
	client_open(&c);
	client_sh(&c, TREE_OF_SEVEN, mark);
	assert_string_equal(output(&c, TREE_IS_UP), TREE_IS_UP);
	assert_true(alive_with(mark) > 0);
	client_stop(&c, SIGTERM, 300000000);
	reply = last_reply(&c);
	assert_int_equal(reply.event, FLO__MINDER_GONE);
	assert_int_equal(reply.signal, SIGTERM);
	assert_int_equal(alive_with(mark), 0);
	client_close(&c);
}

static void a_program_may_use_its_grace(void **state)
{
	struct flo__minder_reply reply;
	struct client c;

	(void)state;
	client_open(&c);
	client_sh(&c, "trap 'exit 9' USR1; sleep 7200 & echo up; wait", NULL);
	output(&c, "up");
	/* A child caught between fork and exec may swallow the signal. */
	client_stop(&c, SIGUSR1, 500000000);
	reply = last_reply(&c);
	assert_int_equal(reply.exit_code, 9);
	client_close(&c);
}

static void no_grace_means_sigkill(void **state)
{
	struct flo__minder_reply reply;
	struct client c;

	(void)state;
	client_open(&c);
	client_sh(&c, "trap '' TERM; echo up; sleep 7200; sleep 7200", NULL);
	output(&c, "up");
	client_stop(&c, SIGTERM, 0);
	reply = last_reply(&c);
	assert_int_equal(reply.signal, SIGKILL);
	client_close(&c);
}

/* A minder that can open nothing in /proc has the process group still. */
static void who_is_left_by_the_program_is_told_without_proc(void **state)
{
	const struct rlimit none = {3, 3};
	struct flo__minder_reply reply;
	struct client c;

	(void)state;
	client_open(&c);
	client_sh(&c,
		  "d=$(mktemp -d); mkfifo $d/f; trap : TERM\n"
		  "(trap 'trap \"echo two; exit\" TERM; echo one >$d/f' TERM\n"
		  "echo up; while :; do sleep 0.01; done) &\n"
		  "until read x <$d/f; do :; done; rm -r $d; exit 0",
		  NULL);
	output(&c, "up\n");
	assert_int_equal(prlimit(c.pid, RLIMIT_NOFILE, &none, NULL), 0);
	client_stop(&c, SIGTERM, 3000000000);
	assert_non_null(strstr(output(&c, "two"), "two"));
	reply = last_reply(&c);
	assert_int_equal(reply.event, FLO__MINDER_GONE);
	assert_int_equal(reply.exit_code, 0);
	client_close(&c);
}

static void a_suspended_program_can_be_stopped(void **state)
{
	struct flo__minder_reply reply;
	struct client c;

	(void)state;
	client_open(&c);
	client_sh(&c, "trap 'exit 3' TERM; echo up; kill -STOP $$; :", NULL);
	output(&c, "up");
	client_stop(&c, SIGTERM, UINT64_MAX);
	reply = last_reply(&c);
	/* 3 unless the signal came before the shell suspended itself */
	assert_true(reply.exit_code == 3 || reply.exit_code == 0);
	client_close(&c);
}

static void the_end_of_the_engine_ends_the_tree(void **state)
{
	const char *mark = fresh_mark();
	struct client c;
	long before;

	(void)state;
	client_open(&c);
	client_sh(&c, TREE_OF_SEVEN, mark);
	output(&c, TREE_IS_UP);
	before = ms_now();
	client_close(&c);
	assert_int_equal(alive_with(mark), 0);
	assert_true(ms_now() - before < 3000);
}

/* A host that forks keeps our end of the socket open beyond our death. */
static void a_copy_of_the_socket_does_not_hide_the_engines_end(void **state)
{
	const char *mark = fresh_mark();
	struct client c;
	pid_t engine, holder = 0;
	int up[2], hold[2];

	(void)state;
	assert_int_equal(pipe2(up, O_CLOEXEC), 0);
	assert_int_equal(pipe2(hold, O_CLOEXEC), 0);
	engine = fork();
	if (engine == 0) {
		client_open(&c);
		client_sh(&c, TREE_OF_SEVEN, mark);
		output(&c, TREE_IS_UP);
		holder = fork();
		if (holder == 0) {
			char byte;

			close(hold[1]);
			_exit(read(hold[0], &byte, 1) != 0);
		}
		if (write(up[1], &c.pid, sizeof(c.pid)) < 0)
			_exit(1);
		for (;;)
			pause();
	}
	assert_true(readable(up[0], DEADLINE_MS));
	assert_int_equal(read(up[0], &c.pid, sizeof(c.pid)), sizeof(c.pid));
	kill(engine, SIGKILL);
	assert_true(ends_in_time(c.pid, 3000));
	assert_int_equal(alive_with(mark), 0);
	assert_int_equal(waitpid(engine, NULL, 0), engine);
	close(hold[0]);
	close(hold[1]);
	close(up[0]);
	close(up[1]);
}

static void if_the_minder_dies_the_program_does(void **state)
{
	struct flo__minder_reply reply;
	struct client c;

	(void)state;
	client_open(&c);
	client_sh(&c, "exec sleep 7200", NULL);
	reply = next_reply(&c);
	assert_int_equal(reply.event, FLO__MINDER_STARTED);
	kill(c.pid, SIGKILL);
	assert_true(ends_in_time(reply.pid, DEADLINE_MS));
	waitpid(c.pid, NULL, 0);
	close(c.sock);
	close(c.out);
}

static void expect_failure(struct client *c, const char *dir,
			   const char *program, int stage, int errnum)
{
	const char *argv[] = {program, NULL};
	struct flo__minder_reply reply;

	client_run(c, dir, argv, plain_env, -1);
	reply = next_reply(c);
	assert_int_equal(reply.event, FLO__MINDER_FAILED);
	assert_int_equal(reply.stage, stage);
	assert_int_equal(reply.errnum, errnum);
}

static void failed_starts_say_where_and_why(void **state)
{
	struct client c;

	(void)state;
	client_open(&c);
	expect_failure(&c, "/", "no-such", FLO__MINDER_AT_EXEC, ENOENT);
	expect_failure(&c, "/", "./no-such", FLO__MINDER_AT_EXEC, ENOENT);
	expect_failure(&c, "/", "", FLO__MINDER_AT_EXEC, ENOENT);
	expect_failure(&c, "/", "/etc/passwd", FLO__MINDER_AT_EXEC, EACCES);
	expect_failure(&c, "/", "/etc", FLO__MINDER_AT_EXEC, EACCES);
	expect_failure(&c, "/no-such", "true", FLO__MINDER_AT_DIR, ENOENT);
	expect_failure(&c, "/etc/passwd", "true", FLO__MINDER_AT_DIR, ENOTDIR);
	client_sh(&c, "exit 2", NULL);
	assert_int_equal(last_reply(&c).exit_code, 2);
	client_close(&c);
}

static void write_program(const char *path, const void *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

static void only_text_without_an_interpreter_goes_to_sh(void **state)
{
	char dir[] = "/tmp/minder_test.XXXXXX", path[64];
	const char *argv[] = {"./script", "x", NULL};
	struct client c;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/script", dir);
	write_program(path, "echo got $1\nexit 6\n", 19);
	client_open(&c);
	client_run(&c, dir, argv, plain_env, -1);
	assert_string_equal(output(&c, NULL), "got x\n");
	assert_int_equal(last_reply(&c).exit_code, 6);
	unlink(path);
	write_program(path, "\177ELF\0\0", 6);
	expect_failure(&c, dir, "./script", FLO__MINDER_AT_EXEC, ENOEXEC);
	client_close(&c);
	unlink(path);
	rmdir(dir);
}

static void programs_are_sought_in_their_own_path(void **state)
{
	char dir[] = "/tmp/minder_test.XXXXXX", path[64], var[64];
	const char *argv[] = {"a-program", NULL};
	char *env[] = {(char *)"OTHER=1", var, NULL};
	struct client c;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/a-program", dir);
	snprintf(var, sizeof(var), "PATH=/no-such:/etc/passwd:%s", dir);
	write_program(path, "#!/bin/sh\necho \"$PWD\"\n", 22);
	client_open(&c);
	client_run(&c, "/usr", argv, env, -1);
	assert_string_equal(output(&c, NULL), "/usr\n");
	assert_int_equal(last_reply(&c).exit_code, 0);
	client_close(&c);
	unlink(path);
	rmdir(dir);
}

static void a_megabyte_of_environment_arrives(void **state)
{
	enum {
		VARS = 14,
		SIZE = 100000
	};
	const char *argv[] = {"sh", "-c", "env | wc -c", NULL};
	char *env[VARS + 2] = {plain_env[0]};
	struct client c;

	(void)state;
	for (int i = 1; i <= VARS; i++) {
		env[i] = malloc(SIZE + 1);
		assert_non_null(env[i]);
		memset(env[i], 'x', SIZE);
		env[i][SIZE] = '\0';
		snprintf(env[i], 8, "V%04d=", i);
		env[i][6] = 'x';
		env[i][7] = 'x';
	}
	client_open(&c);
	client_run(&c, "/", argv, env, -1);
	assert_true(atoi(output(&c, NULL)) > VARS * SIZE);
	assert_int_equal(last_reply(&c).exit_code, 0);
	client_sh(&c, "exit 8", NULL);
	assert_int_equal(last_reply(&c).exit_code, 8);
	client_close(&c);
	for (int i = 1; i <= VARS; i++)
		free(env[i]);
}

static void signals_and_descriptors_start_clean(void **state)
{
	struct client c;
	sigset_t all, old;
	int leaked;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	leaked = open("/etc/passwd", O_RDONLY); /* not close-on-exec */
	client_open(&c);
	sigprocmask(SIG_SETMASK, &old, NULL);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);
	close(leaked);
	client_sh(&c, "exec grep -E 'Sig(Blk|Ign)' /proc/self/status", NULL);
	assert_string_equal(output(&c, NULL), "SigBlk:\t0000000000000000\n"
					      "SigIgn:\t0000000000000000\n");
	last_reply(&c);
	client_sh(&c, "exec ls /proc/self/fd", NULL);
	assert_string_equal(output(&c, NULL), "0\n1\n2\n3\n"); /* ls has 3 */
	last_reply(&c);
	client_sh(&c,
		  "read x; echo $?; set -- $(cat /proc/$$/stat);"
		  "test $1 = $6 && echo session",
		  NULL);
	assert_string_equal(output(&c, NULL), "1\nsession\n");
	last_reply(&c);
	client_close(&c);
}

static void late_stops_are_ignored(void **state)
{
	struct client c;

	(void)state;
	client_open(&c);
	client_stop(&c, SIGTERM, 0);
	client_kill(&c);
	client_sh(&c, "exit 1", NULL);
	assert_int_equal(last_reply(&c).exit_code, 1);
	client_kill(&c);
	client_sh(&c, "exit 2", NULL);
	assert_int_equal(last_reply(&c).exit_code, 2);
	client_close(&c);
}

static void signals_do_not_end_a_minder(void **state)
{
	struct client c;

	(void)state;
	client_open(&c);
	client_sh(&c, "exit 1", NULL);
	last_reply(&c);
	kill(c.pid, SIGTERM);
	kill(c.pid, SIGHUP);
	kill(c.pid, SIGINT);
	client_sh(&c, "exit 2", NULL);
	assert_int_equal(last_reply(&c).exit_code, 2);
	client_close(&c);
}

static void many_steps_leave_nothing_open(void **state)
{
	struct client c;

	(void)state;
	client_open(&c);
	for (int i = 0; i < 200; i++) {
		client_sh(&c, i % 2 ? "exit 3" : "true | true; exit 3", NULL);
		assert_int_equal(last_reply(&c).exit_code, 3);
	}
	client_sh(&c, "ls /proc/$PPID/fd | wc -l", NULL);
	assert_true(atoi(output(&c, NULL)) <= 9);
	last_reply(&c);
	client_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exit_and_gone_come_in_one_reply),
		cmocka_unit_test(exit_codes_and_signals_are_told_apart),
		cmocka_unit_test(what_runs_longer_is_announced),
		cmocka_unit_test(what_a_program_leaves_behind_is_ended),
		cmocka_unit_test(stop_ends_a_tree_of_seven),
		cmocka_unit_test(a_program_may_use_its_grace),
		cmocka_unit_test(no_grace_means_sigkill),
		cmocka_unit_test(
			who_is_left_by_the_program_is_told_without_proc),
		cmocka_unit_test(a_suspended_program_can_be_stopped),
		cmocka_unit_test(the_end_of_the_engine_ends_the_tree),
		cmocka_unit_test(
			a_copy_of_the_socket_does_not_hide_the_engines_end),
		cmocka_unit_test(if_the_minder_dies_the_program_does),
		cmocka_unit_test(failed_starts_say_where_and_why),
		cmocka_unit_test(only_text_without_an_interpreter_goes_to_sh),
		cmocka_unit_test(programs_are_sought_in_their_own_path),
		cmocka_unit_test(a_megabyte_of_environment_arrives),
		cmocka_unit_test(signals_and_descriptors_start_clean),
		cmocka_unit_test(late_stops_are_ignored),
		cmocka_unit_test(signals_do_not_end_a_minder),
		cmocka_unit_test(many_steps_leave_nothing_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
