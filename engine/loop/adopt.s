// This file is empty. With it in the package the compiler lets adopt.go declare functions without a body.
