// Command fidelity answers, with the real controllers, what the simulator claims: JSON lines in, JSON
// lines out, one answer a line. `fidelity functions` calls single functions, `fidelity timelines` runs
// whole rollouts in virtual time.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
)

func main() {
	if len(os.Args) != 2 {
		fail(fmt.Errorf("usage: fidelity functions|timelines < questions > answers"))
	}
	silence()
	switch os.Args[1] {
	case "functions":
		fail(answerAll(answerFunction))
	case "timelines":
		runTimelines()
	default:
		fail(fmt.Errorf("there is no mode %q", os.Args[1]))
	}
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// answerAll answers every line of standard input. An answer that cannot be given is {"error": "..."}.
func answerAll(answer func(line []byte) (any, error)) error {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 1 {
			answered, problem := answer(line)
			if problem != nil {
				answered = map[string]string{"error": problem.Error()}
			}
			if err := json.NewEncoder(out).Encode(answered); err != nil {
				return err
			}
			if err := out.Flush(); err != nil {
				return err
			}
		}
		if err != nil {
			return nil
		}
	}
}
