package main

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	_ "modernc.org/sqlite" // to make a journal look newer than it is
)

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"rotatord": main}) }

// TestScripts runs every script in testdata/script. Beside testscript's own commands they use:
//
//	exits CODE PROGRAM ARGS...       runs a program that must end with that code
//	json CODE PROGRAM ARGS...        likewise, with -o json, and its output must be one JSON document
//	emulator [SYSTEM] ARGS...        starts rotatord emulate, of certcentral if not told; sets BASE_URL, EMULATOR and HOST, writes manager.key
//	seed EMAIL NAME AGE              puts a service user with a key into the emulator; sets USER_ID and KEY_ID
//	key USER_ID NAME AGE             gives that service user a further key; sets KEY_ID
//	service TENANT LOGIN             puts a service user into an emulated dataspot; sets USER_ID
//	person TENANT LOGIN NAME FOR     makes a key that lives that long in the emulated dataspot's page; its value goes to person.key
//	order FILE                       orders the faults in FILE from the emulator; without FILE takes all back
//	expand FILE                      replaces $NAME in FILE by the environment's values
//	daemon ARGS...                   starts rotatord run and waits until it is ready; sets ROTATORD_SERVER and PID
//	stop                             stops the daemon, which must exit with 0
//	eventually REGEXP PROGRAM ARGS.. runs a program until its output matches
//	logged REGEXP                    waits until the daemon has logged a line that matches
//	get URL [HEADER VALUE]           prints what the server answers; fails on anything but 200
//	post PATH FILE                   posts FILE to the emulator's admin API, below /_emulator, and prints the answer
//	report                           sets INCIDENT to the id of the first leak that was reported
//	take NAME REGEXP                 sets NAME to what the expression's group matches in the last output
//	mode OCTAL FILE                  compares a file's permissions
//	newer FILE                       makes a journal's schema look newer than this program's
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"), RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			env.Values[worldKey{}] = &world{}
			example, err := filepath.Abs(filepath.Join("..", "..", "deploy", "rotatord.example.yaml"))
			env.Setenv("EXAMPLE", example)
			env.Setenv("IN_TWO_DAYS", time.Now().UTC().AddDate(0, 0, 2).Format(time.DateOnly))
			for _, name := range []string{"ROTATORD_SERVER", "VAULT_ADDR", "VAULT_TOKEN"} {
				env.Setenv(name, "") // flags have them as defaults
			}
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "json": inJSON, "emulator": startEmulator, "seed": seed, "key": addKey, "service": service, "person": person, "order": order, "expand": expand, "daemon": startDaemon, "stop": stopDaemon,
			"eventually": eventually, "logged": logged, "get": get, "post": post, "mode": mode, "newer": newer, "report": firstIncident, "take": take,
		},
	})
}

// patience is how long a script waits for an effect; a busy machine takes its time.
const patience = 60 * time.Second

type worldKey struct{}

// world is what a script has started.
type world struct {
	daemon  *exec.Cmd
	ended   chan struct{} // closed when the daemon has ended
	logFile string
	logs    int
}

func worldOf(ts *testscript.TestScript) *world {
	w, ok := ts.Value(worldKey{}).(*world)
	if !ok {
		ts.Fatalf("the script has no world")
	}
	return w
}

// poll calls look until it returns true, and fails the script with what it was waiting for otherwise.
func poll(ts *testscript.TestScript, what string, look func() bool) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for give := time.Now().Add(patience); !look(); <-tick.C {
		if time.Now().After(give) {
			ts.Fatalf("waited %s in vain for %s", patience, what)
		}
	}
}

func exits(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		failed, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = failed.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// inJSON is exits for a program that is asked for JSON.
func inJSON(ts *testscript.TestScript, neg bool, args []string) {
	exits(ts, neg, append(args, "-o", "json"))
	answer := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout")))
	var document any
	if err := answer.Decode(&document); err != nil {
		ts.Fatalf("the output is not JSON: %v", err)
	}
	if err := answer.Decode(&document); !errors.Is(err, io.EOF) {
		ts.Fatalf("something follows the JSON document: %v", err)
	}
}

func take(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: take NAME REGEXP")
	}
	found := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if len(found) != 2 {
		ts.Fatalf("nothing matches %s with one group", args[1])
	}
	ts.Setenv(args[0], found[1])
}

// launch starts rotatord with its output in a file, and ends it with the script.
func launch(ts *testscript.TestScript, output string, args ...string) (*exec.Cmd, chan struct{}) {
	f, err := os.Create(output)
	ts.Check(err)
	defer f.Close()
	program, err := exec.LookPath("rotatord")
	ts.Check(err)
	cmd := exec.Command(program, args...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append(os.Environ(), "HOME=/no-home", "NOTIFY_SOCKET=")
	cmd.Stdout, cmd.Stderr = f, f
	ts.Check(cmd.Start())
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended is in its state
		close(ended)
	}()
	ts.Defer(func() {
		_ = cmd.Process.Kill() // it may have ended
		<-ended
	})
	return cmd, ended
}

// printed waits for text that matches in a file, and returns the groups of the match.
func printed(ts *testscript.TestScript, file, pattern string, ended <-chan struct{}) []string {
	re, err := regexp.Compile(pattern)
	ts.Check(err)
	var found []string
	poll(ts, pattern+" in "+file, func() bool {
		over := false
		select {
		case <-ended:
			over = true
		default:
		}
		text, err := os.ReadFile(file)
		ts.Check(err)
		if found = re.FindStringSubmatch(string(text)); found == nil && over {
			ts.Fatalf("it ended without printing %q:\n%s", pattern, text)
		}
		return found != nil
	})
	return found
}

func startEmulator(ts *testscript.TestScript, _ bool, args []string) {
	output := ts.MkAbs("emulator.out")
	system := "certcentral"
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		system, args = args[0], args[1:]
	}
	_, ended := launch(ts, output, append([]string{"emulate", system, "--listen", "127.0.0.1:0"}, args...)...)
	found := printed(ts, output, `base_url: (\S+)\nadmin: +(\S+)/_emulator/\n(?:[a-z]+: .*\n)*?(?:api|access)_key: +(\S+)\n`, ended)
	ts.Setenv("BASE_URL", found[1])
	ts.Setenv("EMULATOR", found[2])
	ts.Setenv("HOST", strings.TrimPrefix(found[2], "http://"))
	ts.Check(os.WriteFile(ts.MkAbs("manager.key"), []byte(found[3]), 0o600))
}

// admin sends a request to the emulator's admin API.
func admin(ts *testscript.TestScript, method, path string, body []byte) []byte {
	req, err := http.NewRequest(method, ts.Getenv("EMULATOR")+"/_emulator"+path, bytes.NewReader(body))
	ts.Check(err)
	return send(ts, req)
}

func send(ts *testscript.TestScript, req *http.Request) []byte {
	res, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	ts.Check(err)
	if res.StatusCode/100 != 2 {
		ts.Fatalf("%s %s: %s: %s", req.Method, req.URL, res.Status, text)
	}
	return text
}

func seed(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: seed EMAIL NAME AGE")
	}
	ts.Setenv("USER_ID", added(ts, "/users", map[string]any{"email": args[0], "username": strings.Split(args[0], "@")[0]}))
	addKey(ts, false, append([]string{ts.Getenv("USER_ID")}, args[1:]...))
}

func addKey(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: key USER_ID NAME AGE")
	}
	age, err := time.ParseDuration(args[2])
	ts.Check(err)
	user, err := strconv.Atoi(args[0])
	ts.Check(err)
	ts.Setenv("KEY_ID", added(ts, "/keys", map[string]any{"user_id": user, "name": args[1], "created": time.Now().Add(-age)}))
}

// added puts something into an emulated CertCentral and returns its id.
func added(ts *testscript.TestScript, path string, what any) string {
	var created struct {
		ID int64 `json:"id"`
	}
	tell(ts, path, what, &created)
	return strconv.FormatInt(created.ID, 10)
}

func service(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: service TENANT LOGIN")
	}
	var made struct {
		ID string `json:"id"`
	}
	tell(ts, "/users", map[string]any{"tenant": args[0], "login_id": args[1]}, &made)
	ts.Setenv("USER_ID", made.ID)
}

func person(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 4 {
		ts.Fatalf("usage: person TENANT LOGIN NAME FOR")
	}
	lifetime, err := time.ParseDuration(args[3])
	ts.Check(err)
	var made struct {
		Value string `json:"value"`
	}
	tell(ts, "/page/keys", map[string]any{"tenant": args[0], "user": args[1], "name": args[2], "expires": time.Now().Add(lifetime)}, &made)
	ts.Check(os.WriteFile(ts.MkAbs("person.key"), []byte(made.Value), 0o600))
}

// tell posts what to the emulator's admin API and decodes the answer.
func tell(ts *testscript.TestScript, path string, what, answer any) {
	body, err := json.Marshal(what)
	ts.Check(err)
	ts.Check(json.Unmarshal(admin(ts, http.MethodPost, path, body), answer))
}

func order(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) == 0 {
		admin(ts, http.MethodDelete, "/faults", nil)
		return
	}
	admin(ts, http.MethodPost, "/faults", []byte(ts.ReadFile(args[0])))
}

func expand(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		text := os.Expand(ts.ReadFile(name), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o600))
	}
}

func startDaemon(ts *testscript.TestScript, _ bool, args []string) {
	w := worldOf(ts)
	w.logs++
	w.logFile = ts.MkAbs(fmt.Sprintf("daemon-%d.log", w.logs))
	w.daemon, w.ended = launch(ts, w.logFile, append([]string{"run"}, args...)...)
	found := printed(ts, w.logFile, `"msg":"rotatord is running".*"listen":"([^"]+)"`, w.ended)
	ts.Setenv("ROTATORD_SERVER", "http://"+found[1])
	ts.Setenv("PID", strconv.Itoa(w.daemon.Process.Pid))
	poll(ts, "the daemon to be ready", func() bool {
		res, err := http.Get("http://" + found[1] + "/-/ready")
		if err != nil {
			return false
		}
		defer res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
}

func stopDaemon(ts *testscript.TestScript, _ bool, _ []string) {
	w := worldOf(ts)
	ts.Check(w.daemon.Process.Signal(syscall.SIGTERM))
	select {
	case <-w.ended:
	case <-time.After(patience):
		ts.Fatalf("the daemon did not stop within %s", patience)
	}
	if code := w.daemon.ProcessState.ExitCode(); code != exitFine {
		ts.Fatalf("the daemon ended with %s; its log:\n%s", w.daemon.ProcessState, ts.ReadFile(w.logFile))
	}
}

func eventually(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: eventually REGEXP PROGRAM ARGS...")
	}
	re, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	program, err := exec.LookPath(args[1])
	ts.Check(err)
	var text []byte
	poll(ts, fmt.Sprintf("%q from %s", args[0], args[1:]), func() bool {
		cmd := exec.Command(program, args[2:]...)
		cmd.Dir = ts.MkAbs(".")
		cmd.Env = append(os.Environ(), "ROTATORD_SERVER="+ts.Getenv("ROTATORD_SERVER"))
		text, _ = cmd.CombinedOutput() // its exit code is not what is waited for
		return re.Match(text)
	})
	_, err = ts.Stdout().Write(text)
	ts.Check(err)
}

func logged(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: logged REGEXP")
	}
	printed(ts, worldOf(ts).logFile, args[0], worldOf(ts).ended)
}

func get(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 && len(args) != 3 {
		ts.Fatalf("usage: get URL [HEADER VALUE]")
	}
	req, err := http.NewRequest(http.MethodGet, args[0], nil)
	ts.Check(err)
	if len(args) == 3 {
		req.Header.Set(args[1], args[2])
	}
	_, err = ts.Stdout().Write(send(ts, req))
	ts.Check(err)
}

func post(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: post PATH FILE")
	}
	_, err := ts.Stdout().Write(admin(ts, http.MethodPost, args[0], []byte(ts.ReadFile(args[1]))))
	ts.Check(err)
}

func mode(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: mode OCTAL FILE")
	}
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[0] {
		ts.Fatalf("%s has mode %s, want %s", args[1], got, args[0])
	}
}

func newer(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: newer FILE")
	}
	db, err := sql.Open("sqlite", ts.MkAbs(args[0]))
	ts.Check(err)
	defer db.Close()
	_, err = db.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, 1)`)
	ts.Check(err)
}

func firstIncident(ts *testscript.TestScript, _ bool, _ []string) {
	res, err := http.Get(ts.Getenv("ROTATORD_SERVER") + "/api/v1/incidents")
	ts.Check(err)
	defer res.Body.Close()
	var found struct{ Incidents []struct{ ID string } }
	ts.Check(json.NewDecoder(res.Body).Decode(&found))
	if len(found.Incidents) == 0 {
		ts.Fatalf("no leak was reported")
	}
	ts.Setenv("INCIDENT", found.Incidents[len(found.Incidents)-1].ID)
}
