package project

import (
	"crypto/ed25519"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// made makes a project in a new directory.
func made(t *testing.T) (string, *Descriptor) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "p")
	d, err := New("numbers", dir)
	require.NoError(t, err)
	return dir, d
}

// application writes an application's directory.
func application(t *testing.T, spec string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, SpecFile), []byte(spec), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "run.sh"), []byte("#!/bin/sh\n"), 0o755))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "data"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "data", "table"), []byte("1 2 3"), 0o640))
	return dir
}

const spec100 = `{"name":"primes","version":"1.0.0","run":["./run.sh"],"threads":2,"example":{"to":100},"later":1}`

func TestNewProject(t *testing.T) {
	dir, d := made(t)
	require.Len(t, d.ID, 32)
	require.Equal(t, strings.ToLower(d.ID), d.ID)
	loaded, raw, err := Load(dir)
	require.NoError(t, err)
	require.Equal(t, d, loaded)
	require.Equal(t, uint64(1), d.Serial)
	again, err := VerifyFor(raw, d.ID, 1)
	require.NoError(t, err)
	require.Equal(t, d, again)
	for _, f := range []string{KeyFile, TokenFile} {
		info, err := os.Stat(filepath.Join(dir, f))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), f)
	}
	token, err := Token(dir)
	require.NoError(t, err)
	require.Len(t, token, 43, "32 random bytes")
	_, err = New("other", dir)
	require.ErrorIs(t, err, ErrExists)
	_, err = New("a/b", t.TempDir())
	require.ErrorIs(t, err, ErrDescriptor)
	_, _, err = Load(t.TempDir())
	require.ErrorContains(t, err, "wob project new")
}

func TestValidID(t *testing.T) {
	_, d := made(t)
	require.True(t, ValidID(d.ID))
	for _, bad := range []string{"", "xyz", d.ID + "a", d.ID[1:], strings.ToUpper(d.ID), d.ID[:31] + "1", d.ID[:31] + "\n", d.ID[:31] + "="} {
		require.False(t, ValidID(bad), "%q", bad)
	}
}

func TestEveryByteOfADescriptorIsSigned(t *testing.T) {
	dir, d := made(t)
	_, err := AddApp(dir, application(t, spec100))
	require.NoError(t, err)
	_, raw, err := Load(dir)
	require.NoError(t, err)
	for i := range raw {
		for _, bit := range []byte{1, 0x20} {
			changed := append([]byte(nil), raw...)
			changed[i] ^= bit
			_, err := Verify(changed)
			require.Error(t, err, "byte %d", i)
		}
	}
	for _, changed := range [][]byte{nil, raw[:len(raw)/2], append(append([]byte(nil), raw...), ' '), append([]byte(" "), raw...)} {
		_, err := Verify(changed)
		require.Error(t, err)
	}
	_, err = VerifyFor(raw, "another", 0)
	require.ErrorIs(t, err, ErrSignature)
	_, err = VerifyFor(raw, d.ID, 3)
	require.ErrorIs(t, err, ErrDescriptor, "an older one")
}

func TestAnotherKeySignsAnotherProject(t *testing.T) {
	_, d := made(t)
	pub, key, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	_, err = d.Sign(key)
	require.ErrorIs(t, err, ErrSignature)
	forged := *d
	forged.Key = pub // the id stays the victim's
	_, err = forged.Sign(key)
	require.ErrorIs(t, err, ErrDescriptor)
}

func TestAddApp(t *testing.T) {
	dir, d := made(t)
	a, err := AddApp(dir, application(t, spec100))
	require.NoError(t, err)
	require.Equal(t, 2, a.Threads)
	require.JSONEq(t, `{"to":100}`, string(a.Boundary))
	_, err = AddApp(dir, application(t, spec100))
	require.ErrorIs(t, err, ErrVersion)
	require.ErrorContains(t, err, "1.0.0")
	_, err = AddApp(dir, application(t, strings.Replace(spec100, "1.0.0", "0.9.9", 1)))
	require.ErrorIs(t, err, ErrVersion)
	for _, v := range []string{"1.0.1", "1.10.0", "2.0.0-rc.1"} {
		_, err = AddApp(dir, application(t, strings.Replace(spec100, "1.0.0", v, 1)))
		require.NoError(t, err)
	}
	_, err = AddApp(dir, application(t, strings.Replace(spec100, "primes", "alpha", 1)))
	require.NoError(t, err)
	loaded, _, err := Load(dir)
	require.NoError(t, err)
	require.Equal(t, d.Serial+5, loaded.Serial, "one for each accepted change")
	newest, err := loaded.App("primes")
	require.NoError(t, err)
	require.Equal(t, "2.0.0-rc.1", newest.Version)
	pinned, err := loaded.App("primes@1.0.0")
	require.NoError(t, err)
	require.Equal(t, a, pinned)
	require.Len(t, loaded.Newest(), 2)
	for _, name := range []string{"primes@3.0.0", "nothing", ""} {
		_, err = loaded.App(name)
		require.ErrorIs(t, err, ErrUnknownApp)
		require.ErrorContains(t, err, "primes@1.10.0", "it names what there is")
	}
}

func TestBadApplications(t *testing.T) {
	for name, test := range map[string]struct {
		spec string
		want error
		says string
	}{
		"no JSON":           {`{`, ErrSpec, ""},
		"no name":           {`{"version":"1.0.0","run":["x"]}`, ErrSpec, "name"},
		"path in the name":  {`{"name":"../x","version":"1.0.0","run":["x"]}`, ErrSpec, "name"},
		"no version":        {`{"name":"a","run":["x"]}`, ErrSpec, "version"},
		"half a version":    {`{"name":"a","version":"1.0","run":["x"]}`, ErrSpec, "version"},
		"build metadata":    {`{"name":"a","version":"1.0.0+b","run":["x"]}`, ErrSpec, "version"},
		"nothing to run":    {`{"name":"a","version":"1.0.0"}`, ErrSpec, "run"},
		"a shell string":    {`{"name":"a","version":"1.0.0","run":"x y"}`, ErrSpec, "run"},
		"empty program":     {`{"name":"a","version":"1.0.0","run":[""]}`, ErrSpec, "run"},
		"no threads":        {`{"name":"a","version":"1.0.0","run":["x"],"threads":0}`, ErrSpec, "threads"},
		"no duration":       {`{"name":"a","version":"1.0.0","run":["x"],"checkpoint":"60"}`, ErrSpec, "checkpoint"},
		"checkpoint storm":  {`{"name":"a","version":"1.0.0","run":["x"],"checkpoint":"1ns"}`, ErrSpec, "checkpoint"},
		"bad timeout":       {`{"name":"a","version":"1.0.0","run":["x"],"timeout":"-5s"}`, ErrSpec, "timeout"},
		"bad platform":      {`{"name":"a","version":"1.0.0","platforms":{"linux":{"run":["x"]}}}`, ErrSpec, "platforms"},
		"platform no run":   {`{"name":"a","version":"1.0.0","platforms":{"linux/arm64":{}}}`, ErrSpec, "run"},
		"program missing":   {`{"name":"a","version":"1.0.0","run":["./nothing"]}`, ErrPackage, "nothing"},
		"not executable":    {`{"name":"a","version":"1.0.0","run":["./data/table"]}`, ErrPackage, "chmod"},
		"other's missing":   {`{"name":"a","version":"1.0.0","run":["sh"],"platforms":{"linux/arm64":{"run":["./arm"]}}}`, ErrPackage, "arm"},
		"installer missing": {`{"name":"a","version":"1.0.0","run":["sh"],"install":["./setup"]}`, ErrPackage, "setup"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, _ := made(t)
			_, err := AddApp(dir, application(t, test.spec))
			require.ErrorIs(t, err, test.want)
			require.ErrorContains(t, err, test.says)
			d, _, err := Load(dir)
			require.NoError(t, err)
			require.Empty(t, d.Apps)
		})
	}
	dir, _ := made(t)
	_, err := AddApp(dir, t.TempDir())
	require.ErrorIs(t, err, ErrSpec)
	require.ErrorContains(t, err, SpecFile)
}

// Who writes an app.json need not know Go.
func TestSpecErrorsSpeakJSON(t *testing.T) {
	for spec, says := range map[string]string{
		`{"name":5}`: `"name" is a number where a string is expected`,
		`[1]`:        `it is an array where an object is expected`,
		`{"name":"a","version":"1.0.0","run":"x"}`:              `"run" is a string where an array of strings`,
		`{"name":"a","version":"1.0.0","run":[1]}`:              `"run" is a number where a string is expected`,
		`{"threads":1.5}`:                                       `"threads" is a number where a whole number is expected`,
		`{"platforms":[]}`:                                      `"platforms" is an array where an object is expected`,
		`{"platforms":{"linux/arm64":{"run":{"program":"x"}}}}`: `is an object where an array of strings`,
	} {
		_, err := ParseSpec([]byte(spec), "linux", "amd64")
		require.ErrorIs(t, err, ErrSpec)
		require.ErrorContains(t, err, says, spec)
		require.NotRegexp(t, `Go | json:|specFile|\[\]`, err.Error())
	}
}

func TestUnknownFields(t *testing.T) {
	fields := func(spec string) []string { return UnknownFields(application(t, spec)) }
	require.Equal(t, []string{"later"}, fields(spec100))
	require.Equal(t, []string{"checkpiont", "platforms.linux/arm64.threads"},
		fields(`{"Name":"a","checkpiont":"5s","platforms":{"linux/arm64":{"run":["x"],"threads":2},"linux/amd64":5},"params":{"any":1},"example":{}}`)[:2])
	require.Empty(t, fields(`{"name":"a","version":"1.0.0","threads":1,"checkpoint":"1s","timeout":"1s","run":[],"install":[],"uninstall":[],
		"platforms":{"a/b":{"run":[],"install":[],"uninstall":[]}},"params":{"x":1},"example":{"y":2}}`))
	for _, bad := range []string{"", "[]", "null", "{", "5"} {
		require.Empty(t, fields(bad))
	}
	require.Empty(t, UnknownFields(t.TempDir()))
}

func TestSpecForAPlatform(t *testing.T) {
	text := []byte(`{"name":"a","version":"1.0.0","threads":3,"checkpoint":"90s","timeout":"45s","run":["./a","-x"],"install":["sh","i.sh"],
		"platforms":{"linux/arm64":{"run":["./arm"]},"windows/amd64":{"run":["a.exe"],"install":[]}},"params":{"n": 1},"new":{}}`)
	s, err := ParseSpec(text, "linux", "amd64")
	require.NoError(t, err)
	require.Equal(t, []string{"./a", "-x"}, s.Run)
	require.Equal(t, "1m30s 45s", s.Checkpoint.String()+" "+s.Timeout.String())
	require.Equal(t, `{"n": 1}`, string(s.Params))
	require.Equal(t, 3, s.Threads)
	s, err = ParseSpec(text, "linux", "arm64")
	require.NoError(t, err)
	require.Equal(t, []string{"./arm"}, s.Run)
	require.Equal(t, []string{"sh", "i.sh"}, s.Install, "what a platform does not name stays")
	s, err = ParseSpec(text, "windows", "amd64")
	require.NoError(t, err)
	require.Empty(t, s.Install)
	s, err = ParseSpec([]byte(`{"name":"a","version":"1.0.0","run":["x"]}`), "linux", "amd64")
	require.NoError(t, err)
	require.Equal(t, DefaultCheckpoint, s.Checkpoint)
	require.Equal(t, 1, s.Threads)
	require.Zero(t, s.Timeout)
	_, err = ParseSpec([]byte(`{"name":"a","version":"1.0.0","platforms":{"plan9/mips":{"run":["x"]}}}`), "linux", "amd64")
	require.ErrorIs(t, err, ErrPlatform)
	require.ErrorContains(t, err, "plan9/mips")
}

func FuzzVerify(f *testing.F) {
	dir := f.TempDir()
	if _, err := New("x", filepath.Join(dir, "p")); err != nil {
		f.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "p", DescriptorFile))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, b []byte) {
		if d, err := Verify(b); err == nil && d.ID != ID(d.Key) {
			t.Fatal("an id that is not its key's")
		}
	})
}
