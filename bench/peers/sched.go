// The rows of sched_bench in Go: sched --list, or sched ROW PROCS.
//
// Groups are errgroups; with --waitgroup as the first argument they are a
// sync.WaitGroup, which knows neither errors nor limits. The constants are
// those of constants.h and the graphs those of graph.c, to be changed together.
package main

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"sort"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	warm = 50 * time.Millisecond
	run  = 300 * time.Millisecond

	groupLimit   = 64
	groupMembers = 10000
	batch        = 1000
	million      = 1000000
	yields       = 100000
	pings        = 50000
	echoes       = 5000
	chanCapacity = 128
	values       = 100000
	chanSides    = 4
	mutexUsers   = 8
	locks        = 20000

	work     = 10 * time.Microsecond
	tasks    = 100000
	long     = 200 * time.Microsecond
	pairs    = 500
	burst    = 1000
	bursts   = 20
	burstGap = 20 * time.Millisecond

	dagNodes  = 100000
	dagLayers = 1000
	dagWidth  = 100
	dagSeed   = 42
)

func fail(what interface{}) {
	fmt.Fprintln(os.Stderr, "bench:", what)
	os.Exit(1)
}

// Each round needs the one before, so no compiler and no core can hurry.
//
//go:noinline
func burn(loops uint64) uint64 {
	x := loops
	for i := uint64(0); i < loops; i++ {
		x = x*6364136223846793005 + 1442695040888963407
	}
	return x
}

// loopsOf says how many rounds last d when nothing else runs.
func loopsOf(d time.Duration) uint64 {
	const loops = 100000
	best := time.Hour
	for i := 0; i < 100; i++ {
		begin := time.Now()
		burn(loops)
		if took := time.Since(begin); took < best {
			best = took
		}
	}
	return loops * uint64(d) / uint64(best)
}

// repeat runs piece, which says how long it took, until it has lasted long
// enough, and returns nanoseconds an operation.
func repeat(procs int, ops int, piece func() time.Duration) float64 {
	var warmed, total time.Duration
	pieces := 0
	runtime.GOMAXPROCS(procs)
	for warmed < warm {
		warmed += piece()
	}
	for total < run {
		total += piece()
		pieces++
	}
	return float64(total) / float64(pieces) / float64(ops)
}

func timed(fn func()) time.Duration {
	begin := time.Now()
	fn()
	return time.Since(begin)
}

// goAll starts fn n times and waits for all.
func goAll(n int, fn func()) {
	var wg sync.WaitGroup
	wg.Add(n)
	for i := 0; i < n; i++ {
		go func() {
			fn()
			wg.Done()
		}()
	}
	wg.Wait()
}

func nothing() {}

func member() error { return nil }

func group(limit, n int) {
	var g errgroup.Group
	if limit > 0 {
		g.SetLimit(limit)
	}
	for i := 0; i < n; i++ {
		g.Go(member)
	}
	if err := g.Wait(); err != nil {
		fail(err)
	}
}

func yielder() {
	for i := 0; i < yields; i++ {
		runtime.Gosched()
	}
}

func pingpong() {
	ping, pong := make(chan int64), make(chan int64)
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		for i := 0; i < pings; i++ {
			pong <- <-ping
		}
		wg.Done()
	}()
	for i := int64(0); i < pings; i++ {
		ping <- i
		if <-pong != i {
			fail("a ball was lost")
		}
	}
	wg.Wait()
}

func traffic(sides int) {
	c := make(chan int64, chanCapacity)
	each := values / sides
	var wg sync.WaitGroup
	wg.Add(2 * sides)
	for s := 0; s < sides; s++ {
		go func() {
			for i := 0; i < each; i++ {
				c <- int64(i)
			}
			wg.Done()
		}()
		go func() {
			for i := 0; i < each; i++ {
				<-c
			}
			wg.Done()
		}()
	}
	wg.Wait()
}

func mutex(yielding bool) {
	var mu sync.Mutex
	count := 0
	locker := func() {
		for i := 0; i < locks; i++ {
			mu.Lock()
			count++
			mu.Unlock()
		}
	}
	if yielding {
		locker = func() {
			for i := 0; i < locks; i++ {
				mu.Lock()
				count++
				runtime.Gosched()
				mu.Unlock()
			}
		}
	}
	goAll(mutexUsers, locker)
	if count != mutexUsers*locks {
		fail("the mutex excludes nobody")
	}
}

// socketPair returns two connections that the runtime's poller watches.
func socketPair() (ends [2]net.Conn) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX,
		syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		fail(err)
	}
	for i, fd := range fds {
		file := os.NewFile(uintptr(fd), "socket")
		if ends[i], err = net.FileConn(file); err != nil {
			fail(err)
		}
		file.Close()
	}
	return ends
}

func echo() time.Duration {
	ends := socketPair()
	begin := time.Now()
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		var buf [1]byte
		for i := 0; i < echoes; i++ {
			if _, err := ends[1].Read(buf[:]); err != nil {
				fail(err)
			}
			if _, err := ends[1].Write(buf[:]); err != nil {
				fail(err)
			}
		}
		wg.Done()
	}()
	var buf [1]byte
	for i := 0; i < echoes; i++ {
		if _, err := ends[0].Write(buf[:]); err != nil {
			fail(err)
		}
		if _, err := ends[0].Read(buf[:]); err != nil {
			fail(err)
		}
	}
	wg.Wait()
	took := time.Since(begin)
	ends[0].Close()
	ends[1].Close()
	return took
}

func resident() float64 {
	text, err := os.ReadFile("/proc/self/statm")
	var size, pages int
	if err == nil {
		_, err = fmt.Sscan(string(text), &size, &pages)
	}
	if err != nil {
		fail(err)
	}
	return float64(pages * os.Getpagesize())
}

// A goroutine has its stack from its creation on, and one that loops is
// preempted, so nobody can be kept from beginning: each waits as soon as it
// does. With begun they all have.
func memory(begun bool) float64 {
	runtime.GOMAXPROCS(1)
	never := make(chan int64)
	var count int64
	var wg sync.WaitGroup
	before := resident()
	wg.Add(million)
	for i := 0; i < million; i++ {
		go func() {
			atomic.AddInt64(&count, 1)
			<-never
			wg.Done()
		}()
	}
	for begun && atomic.LoadInt64(&count) < million {
		runtime.Gosched()
	}
	bytes := (resident() - before) / million
	close(never)
	wg.Wait()
	return bytes
}

type graph struct {
	pending, first, successors []uint32
}

// splitmix64: the same numbers in every language.
type random uint64

func (r *random) below(n uint32) uint32 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	return uint32((z ^ (z >> 31)) % uint64(n))
}

func edgesOf(shape string) (nodes uint32, edges [][2]uint32) {
	r := random(dagSeed)
	link := func(from, to uint32) {
		edges = append(edges, [2]uint32{from, to})
	}
	nodes = dagNodes
	switch shape {
	case "random":
		for i := uint32(1); i < nodes-1; i++ {
			for k := 1 + r.below(4); k > 0; k-- {
				link(r.below(i), i)
			}
		}
	case "layered":
		nodes = dagLayers*dagWidth + 2
		for i := uint32(1); i <= dagWidth; i++ {
			link(0, i)
		}
		for base := uint32(1 + dagWidth); base < nodes-1; base += dagWidth {
			for j := uint32(0); j < dagWidth; j++ {
				link(base-dagWidth+j, base+j)
				link(base-dagWidth+r.below(dagWidth), base+j)
			}
		}
	case "chain":
		for i := uint32(1); i < nodes-1; i++ {
			link(i-1, i)
		}
	case "fan":
		for i := uint32(1); i < nodes-1; i++ {
			link(0, i)
		}
	}
	return nodes, edges
}

func build(shape string) *graph {
	nodes, edges := edgesOf(shape)
	out := make([]uint32, nodes)
	for _, e := range edges {
		out[e[0]]++
	}
	for i := uint32(0); i < nodes-1; i++ {
		if out[i] == 0 {
			edges = append(edges, [2]uint32{i, nodes - 1})
		}
	}
	g := &graph{make([]uint32, nodes), make([]uint32, nodes+1),
		make([]uint32, len(edges))}
	for _, e := range edges {
		g.first[e[0]+1]++
		g.pending[e[1]]++
	}
	at := make([]uint32, nodes)
	for i := range at {
		g.first[i+1] += g.first[i]
		at[i] = g.first[i]
	}
	for _, e := range edges {
		g.successors[at[e[0]]] = e[1]
		at[e[0]]++
	}
	return g
}

type walker struct {
	*graph
	left []int32
	wg   sync.WaitGroup
}

func (w *walker) node(node uint32) {
	const none = ^uint32(0)
	for node != none {
		next := none
		if int(node) == len(w.left)-1 {
			w.wg.Done()
		}
		for _, to := range w.successors[w.first[node]:w.first[node+1]] {
			if atomic.AddInt32(&w.left[to], -1) > 0 {
				continue
			}
			if next == none {
				next = to
			} else {
				go w.node(to)
			}
		}
		node = next
	}
}

func dag(procs int, shape string) float64 {
	g := build(shape)
	w := &walker{graph: g, left: make([]int32, len(g.pending))}
	return repeat(procs, len(w.left), func() time.Duration {
		for i, n := range g.pending {
			w.left[i] = int32(n)
		}
		begin := time.Now()
		w.wg.Add(1)
		go w.node(0)
		w.wg.Wait()
		return time.Since(begin)
	})
}

func speedup(procs int, fn func() time.Duration) float64 {
	runtime.GOMAXPROCS(1)
	one := fn()
	runtime.GOMAXPROCS(procs)
	return float64(one) / float64(fn())
}

func manyTasks(procs int) float64 {
	loops := loopsOf(work)
	task := func() { burn(loops) }
	return speedup(procs, func() time.Duration {
		goAll(tasks/50, task)
		return timed(func() { goAll(tasks, task) })
	})
}

func twoTasks(procs int) float64 {
	loops := loopsOf(long)
	task := func() { burn(loops) }
	again := func(n int) {
		for i := 0; i < n; i++ {
			goAll(2, task)
		}
	}
	return speedup(procs, func() time.Duration {
		again(pairs / 10)
		return timed(func() { again(pairs) })
	})
}

func hogBurst(procs int) float64 {
	var stop int32
	var hogs, wg sync.WaitGroup
	loops := loopsOf(work)
	latencies := make([]time.Duration, bursts*burst)
	runtime.GOMAXPROCS(procs)
	hogs.Add(procs)
	for i := 0; i < procs; i++ {
		go func() {
			for atomic.LoadInt32(&stop) == 0 {
				burn(loops)
			}
			hogs.Done()
		}()
	}
	for i := 0; i < bursts; i++ {
		time.Sleep(burstGap)
		wg.Add(burst)
		for k := i * burst; k < (i+1)*burst; k++ {
			begin, latency := time.Now(), &latencies[k]
			go func() {
				*latency = time.Since(begin)
				wg.Done()
			}()
		}
		wg.Wait()
	}
	atomic.StoreInt32(&stop, 1)
	hogs.Wait()
	sort.Slice(latencies, func(i, k int) bool {
		return latencies[i] < latencies[k]
	})
	return float64(latencies[(bursts*burst-1)*99/100]) / 1e3
}

type row struct {
	name, unit, procs string
	run               func(procs int) float64
}

// piece is a row of nanoseconds an operation.
func piece(name string, ops int, fn func()) row {
	return row{name, "ns", "any", func(procs int) float64 {
		return repeat(procs, ops,
			func() time.Duration { return timed(fn) })
	}}
}

func dagRow(shape string) row {
	return row{"dag-" + shape, "ns", "any",
		func(procs int) float64 { return dag(procs, shape) }}
}

var waitgroupRows = []row{
	piece("group-1k", batch, func() { goAll(batch, nothing) }),
	piece("group-1m", million, func() { goAll(million, nothing) }),
}

var rows = []row{
	piece("group-64", groupMembers, func() { group(groupLimit, groupMembers) }),
	piece("group-1k", batch, func() { group(0, batch) }),
	piece("group-1m", million, func() { group(0, million) }),
	piece("spawn", batch, func() { goAll(batch, nothing) }),
	piece("yield", 2*yields, func() { goAll(2, yielder) }),
	piece("pingpong", pings, pingpong),
	piece("chan-1x1", values, func() { traffic(1) }),
	piece("chan-4x4", values, func() { traffic(chanSides) }),
	piece("mutex-8", mutexUsers*locks, func() { mutex(false) }),
	piece("mutex-8-yield", mutexUsers*locks, func() { mutex(true) }),
	{"mem-pending", "B", "one", func(int) float64 { return memory(false) }},
	{"mem-parked", "B", "one", func(int) float64 { return memory(true) }},
	dagRow("random"), dagRow("layered"), dagRow("chain"), dagRow("fan"),
	{"speedup-10us", "x", "many", manyTasks},
	{"two-tasks-200us", "x", "many", twoTasks},
	{"hog-burst", "us", "any", hogBurst},
	{"echo", "ns", "any", func(procs int) float64 {
		return repeat(procs, echoes, echo)
	}},
}

func main() {
	args := os.Args[1:]
	if len(args) > 0 && args[0] == "--waitgroup" {
		rows, args = waitgroupRows, args[1:]
	}
	if len(args) == 1 && args[0] == "--list" {
		for _, r := range rows {
			fmt.Println(r.name, r.unit, r.procs)
		}
		return
	}
	if len(args) != 2 {
		fail("usage: sched [--waitgroup] --list | ROW PROCS")
	}
	procs, err := strconv.Atoi(args[1])
	if err != nil || procs < 1 {
		fail("PROCS is a number from 1 on")
	}
	for _, r := range rows {
		if r.name == args[0] {
			fmt.Printf("%.2f %s\n", r.run(procs), r.unit)
			return
		}
	}
	fail("no row " + args[0])
}
