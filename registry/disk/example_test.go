package disk_test

import (
	"fmt"
	"os"

	"rollcall/registry/disk"
)

// A node writes down how far its indexes may have come, and goes on from there after a
// restart, whatever its clock says then.
func Example() {
	dir, err := os.MkdirTemp("", "rollcall-example-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)

	mark, err := disk.OpenMark(dir, 1000)
	if err != nil {
		panic(err)
	}
	fmt.Println("first start:", mark.Bound())
	for index := uint64(5000); index <= 5400; index += 100 {
		if err := mark.Raise(index); err != nil { // writes the file once
			panic(err)
		}
	}
	if err := mark.Close(); err != nil { // as when the node is killed
		panic(err)
	}

	mark, err = disk.OpenMark(dir, 1000)
	if err != nil {
		panic(err)
	}
	defer mark.Close()
	fmt.Println("next start:", mark.Bound())

	// Output:
	// first start: 0
	// next start: 6000
}
