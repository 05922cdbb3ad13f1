package endtoend

import (
	"syscall"
	"time"
)

func wall() int64          { var tv syscall.Timeval; syscall.Gettimeofday(&tv); return tv.Sec*1e6 + tv.Usec }
func since(b int64) string { return (time.Duration(wall()-b) * time.Microsecond).String() }
