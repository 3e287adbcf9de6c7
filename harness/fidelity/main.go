// Command fidelity answers, with the real controllers, what the simulator claims: JSON lines in, JSON
// lines out, one answer a line. `fidelity functions` calls single functions, `fidelity assessments` gives
// AnalysisRuns to the analysis controller, `fidelity timelines` runs whole rollouts in virtual time. The other
// modes are functions of their own files: web, values, templates, arguments, types, jobs, references.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
)

func main() {
	if len(os.Args) != 2 {
		fail(fmt.Errorf("usage: fidelity functions|assessments|web|values|templates|arguments|types|jobs|references|timelines < questions > answers"))
	}
	silence()
	switch os.Args[1] {
	case "functions":
		fail(answerAll(os.Stdout, answerFunction))
	case "assessments":
		answerInBubbles(answerAssessments)
	case "web":
		fail(answerAll(os.Stdout, answerWeb))
	case "values":
		fail(answerAll(os.Stdout, answerValue))
	case "templates":
		fail(answerAll(os.Stdout, answerTemplates))
	case "arguments":
		fail(answerAll(os.Stdout, answerArguments))
	case "types":
		fail(answerAll(os.Stdout, answerTypes))
	case "jobs":
		fail(answerAll(os.Stdout, answerJob))
	case "references":
		fail(answerAll(os.Stdout, answerReferences))
	case "timelines":
		answerInBubbles(answerTimeline)
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
func answerAll(to io.Writer, answer func(line []byte) (any, error)) error {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriter(to)
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
