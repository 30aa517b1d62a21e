// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause

// cilium/ebpf's ring buffer reader on a map that somebody else fills, for ring_buffer.py:
// as ring_buffer_bcc.py, it asks for each filling by a line and prints the CPU time of an event.
package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"log"
	"os"
	"strconv"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"
)

func cpuTime() int64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &now); err != nil {
		log.Fatal(err)
	}
	return now.Nano()
}

func number(argument int) int {
	value, err := strconv.Atoi(os.Args[argument])
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func main() {
	fd, count, repeats := number(1), number(2), number(3)
	events, err := ebpf.NewMapFromFD(fd)
	if err != nil {
		log.Fatal(err)
	}
	var reader *ringbuf.Reader
	input := bufio.NewScanner(os.Stdin)
	var record ringbuf.Record
	var spent int64
	for turn := 0; turn <= repeats; turn++ {
		fmt.Println("fill")
		input.Scan()
		if reader == nil {
			// Not before: events without a wakeup only show to an epoll that begins behind them.
			if reader, err = ringbuf.NewReader(events); err != nil {
				log.Fatal(err)
			}
		}
		var total uint64
		start := cpuTime()
		for i := 0; i < count; i++ {
			if err := reader.ReadInto(&record); err != nil {
				log.Fatal(err)
			}
			total += binary.LittleEndian.Uint64(record.RawSample)
		}
		// The first turn warms up.
		if turn > 0 {
			spent += cpuTime() - start
		}
		if total == 0 {
			log.Fatal("the events are empty")
		}
	}
	fmt.Println(float64(spent) / float64(repeats) / float64(count))
}
