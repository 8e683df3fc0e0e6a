package kafkatest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// CacheDir returns where jars are kept between runs: .cache/kafka of the repository that the working directory is in.
func CacheDir() (string, error) {
	root, err := repository()
	return filepath.Join(root, ".cache", "kafka"), err
}

func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, pom)); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("%s is in no folder above the working directory", pom)
		}
		dir = parent
	}
}

const pom = "kafka/dev/pom.xml"

// classPath returns Kafka's jars, and first fetches those of pom.xml if they are missing. Several processes may call it
// at once.
func classPath() (string, error) {
	if _, err := exec.LookPath("java"); err != nil {
		return "", fmt.Errorf("a broker needs Java 17 (kafka/dev/deps.sh installs it): %w", err)
	}
	root, err := repository()
	if err != nil {
		return "", err
	}
	wanted, err := os.ReadFile(filepath.Join(root, pom))
	if err != nil {
		return "", err
	}
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	lib := filepath.Join(cache, fmt.Sprintf("lib-%.4x", sha256.Sum256(wanted)))
	jars := filepath.Join(lib, "*")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	lock, err := os.OpenFile(filepath.Join(cache, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", err
	}
	if _, err := os.Stat(lib); err == nil {
		return jars, nil
	} else if !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	// An interrupted fetch must not pass for a complete one: hence another name until it is complete.
	partial := lib + ".partial"
	mvn := exec.Command("mvn", "--batch-mode", "--quiet", "--strict-checksums", "-f", filepath.Join(root, pom),
		"dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory="+partial)
	if out, err := mvn.CombinedOutput(); err != nil {
		return "", fmt.Errorf("fetching Kafka with Maven: %w\n%s", err, out)
	}
	return jars, os.Rename(partial, lib)
}
