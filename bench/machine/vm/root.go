package vm

import (
	"bufio"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed init.sh
var initScript []byte

//go:embed out.sh
var outScript []byte

// portModules are for the way out of the machine.
var portModules = []string{"virtio_pci", "virtio_console"}

// writeRoot writes the machine's file system.
func (m *Machine) writeRoot(name string) error {
	busybox, err := staticBusybox()
	if err != nil {
		return err
	}
	modules, err := m.Kernel.order(slices.Concat(portModules, m.Modules))
	if err != nil {
		return err
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	a := newArchive(w)
	for _, dir := range []string{"/proc", "/sys", "/dev", "/tmp", "/root", "/etc", "/run", "/var", "/usr"} {
		a.dir(dir)
	}
	a.file("/bin/busybox", busybox)
	a.link("/bin/sh", "busybox")
	a.link("/sbin", "bin")
	a.link("/usr/bin", "../bin")
	a.link("/usr/sbin", "../bin")
	a.data("/init", 0o755, initScript)
	a.data("/bin/out", 0o755, outScript)
	a.data("/etc/passwd", 0o644, []byte("root:x:0:0:root:/root:/bin/sh\n"))
	a.data("/etc/group", 0o644, []byte("root:x:0:\n"))
	a.data("/job", 0o755, []byte(m.Job))
	a.data("/env", 0o644, environment(m.Env))
	var order strings.Builder
	for _, file := range modules {
		a.file("/modules/"+filepath.Base(file), file)
		fmt.Fprintln(&order, filepath.Base(file))
	}
	a.data("/modules/order", 0o644, []byte(order.String()))
	if err := m.addFiles(a); err != nil {
		return err
	}
	if err := a.close(); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}

func (m *Machine) addFiles(a *archive) error {
	had := map[string]bool{}
	for _, file := range m.Files {
		guest := file.Guest
		if guest == "" {
			guest = path.Join("/bin", filepath.Base(file.Host))
		}
		if err := checkProgram(file.Host); err != nil {
			return err
		}
		a.file(guest, file.Host)
		libraries, err := libraries(file.Host)
		if err != nil {
			return err
		}
		for _, lib := range libraries {
			if !had[lib] {
				had[lib] = true
				a.file(lib, lib)
			}
		}
	}
	return nil
}

// environment sets variables in a shell.
func environment(env map[string]string) (script []byte) {
	for _, name := range slices.Sorted(maps.Keys(env)) {
		script = fmt.Appendf(script, "export %s='%s'\n", name, strings.ReplaceAll(env[name], "'", `'\''`))
	}
	return script
}

func staticBusybox() (string, error) {
	path, err := exec.LookPath("busybox")
	if err != nil {
		return "", fmt.Errorf("%w: run bench/machine/vm/deps.sh", err)
	}
	if libraries, err := libraries(path); err != nil || len(libraries) > 0 {
		return "", fmt.Errorf("%s is not linked statically: run bench/machine/vm/deps.sh", path)
	}
	return path, nil
}

// libraries lists what ldd says that a program loads, none for a static program or another file.
func libraries(program string) ([]string, error) {
	b, err := exec.Command("ldd", program).Output()
	if err != nil {
		if _, failed := errors.AsType[*exec.ExitError](err); failed {
			return nil, nil // not a dynamic executable
		}
		return nil, err
	}
	return parseLdd(string(b))
}

func parseLdd(text string) (all []string, err error) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		switch {
		case strings.Contains(line, "not found"):
			return nil, fmt.Errorf("ldd: %s", strings.TrimSpace(line))
		case len(f) >= 3 && f[1] == "=>" && f[2][0] == '/':
			all = append(all, f[2])
		case len(f) >= 1 && f[0][0] == '/':
			all = append(all, f[0])
		}
	}
	return all, nil
}
