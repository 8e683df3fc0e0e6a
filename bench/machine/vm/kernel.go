package vm

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Kernel is an unpacked kernel package.
type Kernel struct {
	Image   string // bzImage
	Modules string // folder below which its modules are
}

// FindKernel finds the kernel in a folder that a package was unpacked to.
func FindKernel(dir string) (Kernel, error) {
	images, _ := filepath.Glob(filepath.Join(dir, "boot", "vmlinuz-*")) // no error but for the pattern
	if len(images) != 1 {
		return Kernel{}, fmt.Errorf("%d kernels in %s, expected one: run bench/machine/vm/deps.sh", len(images), dir)
	}
	version := strings.TrimPrefix(filepath.Base(images[0]), "vmlinuz-")
	for _, lib := range []string{"lib", "usr/lib"} {
		modules := filepath.Join(dir, lib, "modules", version)
		if _, err := os.Stat(modules); err == nil {
			return Kernel{Image: images[0], Modules: modules}, nil
		}
	}
	return Kernel{}, fmt.Errorf("no modules of kernel %s in %s: remove that folder and run bench/machine/vm/deps.sh", version, dir)
}

// order returns the files of the modules named and of those that they depend on, in the order of loading. What the
// kernel has built in is left out.
func (k Kernel) order(names []string) ([]string, error) {
	files := map[string]string{}
	err := filepath.WalkDir(k.Modules, func(path string, _ fs.DirEntry, err error) error {
		if name, ok := strings.CutSuffix(filepath.Base(path), ".ko"); ok {
			files[moduleName(name)] = path
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	builtin, err := os.ReadFile(filepath.Join(k.Modules, "modules.builtin"))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(builtin)) {
		files[moduleName(strings.TrimSuffix(filepath.Base(strings.TrimSpace(line)), ".ko"))] = ""
	}
	var all []string
	seen := map[string]bool{}
	var add func(name string) error
	add = func(name string) error {
		name = moduleName(name)
		if seen[name] {
			return nil
		}
		seen[name] = true
		file, ok := files[name]
		switch {
		case !ok:
			return fmt.Errorf("the kernel has no module %s", name)
		case file == "":
			return nil
		}
		needs, err := dependencies(file)
		if err != nil {
			return err
		}
		for _, n := range needs {
			if err := add(n); err != nil {
				return fmt.Errorf("%w, which %s needs", err, name)
			}
		}
		all = append(all, file)
		return nil
	}
	for _, name := range names {
		if err := add(name); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// moduleName is how the kernel writes a module's name; files and dependencies have either sign.
func moduleName(name string) string { return strings.ReplaceAll(name, "-", "_") }

// dependencies reads what a module file says that it needs.
func dependencies(file string) ([]string, error) {
	f, err := elf.Open(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	defer f.Close()
	section := f.Section(".modinfo")
	if section == nil {
		return nil, fmt.Errorf("%s: not a kernel module", file)
	}
	info, err := section.Data()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	for field := range bytes.SplitSeq(info, []byte{0}) {
		if list, ok := strings.CutPrefix(string(field), "depends="); ok && list != "" {
			return strings.Split(list, ","), nil
		}
	}
	return nil, nil
}
