package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"posthorn/harness/load"
)

type junitSuite struct {
	XMLName   xml.Name    `xml:"testsuite"`
	Name      string      `xml:"name,attr"`
	Tests     int         `xml:"tests,attr"`
	Failures  int         `xml:"failures,attr"`
	Time      string      `xml:"time,attr"`
	Timestamp string      `xml:"timestamp,attr"`
	Cases     []junitCase `xml:"testcase"`
	Out       junitOutput `xml:"system-out"`
}

type junitOutput struct {
	Text string `xml:",cdata"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Failure *junitFailure `xml:"failure"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// JUnit writes a suite in the form of JUnit XML that build servers read: a case for each thing that was demanded.
func JUnit(w io.Writer, r *load.Result) error {
	var out strings.Builder
	if err := Text(&out, r); err != nil {
		return err
	}
	s := junitSuite{
		Name: "posthorn load", Tests: len(r.Verdicts), Time: fmt.Sprintf("%.3f", r.Plan.Seconds),
		Timestamp: r.Started.Format("2006-01-02T15:04:05"), Out: junitOutput{strings.Map(inXML, out.String())},
	}
	for _, v := range r.Verdicts {
		c := junitCase{Class: "load." + r.Target, Name: v.Name}
		if !v.OK {
			s.Failures++
			c.Failure = &junitFailure{Message: v.Got, Text: v.String()}
		}
		s.Cases = append(s.Cases, c)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(s); err != nil {
		return fmt.Errorf("write JUnit XML: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// inXML leaves out what CDATA cannot hold: most control characters (XML 1.0, section 2.2).
func inXML(r rune) rune {
	if r < ' ' && r != '\n' && r != '\t' || r == 0xfffe || r == 0xffff {
		return -1
	}
	return r
}
