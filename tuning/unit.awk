# Reads the files of a systemd unit as systemd does: systemd.syntax(7), systemd.exec(5). Its input is the files' names. It
# prints the requested value, and in a second line the file that sets it; nothing when none does. The files of
# EnvironmentFile follow a line "EnvironmentFile", which common.sh writes.
#
#   kind=systemd     name=LimitNOFILE or TasksMax; most is the kernel's number of tasks, of which TasksMax may be a share
#   kind=environment name=GOMEMLIMIT
#   kind=files       prints what EnvironmentFile names
#
# unit.go does the same for stentor doctor, and a test compares both with systemd itself.

BEGIN {
	kept = where = ""
	set = variables = drops = listed = 0
	while ((getline file) > 0) {
		if (file == "EnvironmentFile") variables = 1
		else if (variables) read_variables(file)
		else if (!read_unit(file) && file ~ /\/stentor\.service$/) exit # systemd does not load it
	}
	if (kind == "files") {
		for (i = 1; i <= listed; i++) print list[i]
		exit
	}
	for (i = 1; i <= drops; i++) if (drop[i] == name || drop[i] == name "=" kept) set = 0
	if (set) print kept "\n" where
}

# next_line reads a line of file into line, with the ends that systemd knows.
function next_line() {
	if ((getline line < file) <= 0) return 0
	if (first) sub(/^\357\273\277/, "", line)
	first = 0
	sub(/\r$/, "", line)
	return 1
}

# A line that ends with a backslash continues on the next line that is not a comment.
function read_unit(f,    before, section) {
	first = 1
	section = before = ""
	while (next_line()) {
		sub(/^[ \t]+/, "", line)
		if (line ~ /^[#;]/) continue
		line = before line
		before = ""
		match(line, /\\*$/)
		if (RLENGTH > 0 && RLENGTH % 2 == 1) {
			before = substr(line, 1, length(line) - 1) " "
			continue
		}
		section = read_line(line, section)
		if (section == "stop") break
	}
	if (before != "" && section != "stop") section = read_line(before, section)
	close(f)
	return section != "stop"
}

function read_line(l, section,    at, key) {
	gsub(/^[ \t]+|[ \t]+$/, "", l)
	if (l ~ /^\[/) return l ~ /\]$/ ? l : "stop"
	at = index(l, "=")
	if (section == "[Service]" && at > 1) {
		key = substr(l, 1, at - 1)
		l = substr(l, at + 1)
		sub(/[ \t]+$/, "", key)
		sub(/^[ \t]+/, "", l)
		assign(key, l)
	}
	return section
}

function keep(value) {
	kept = value
	where = file
	set = 1
}

# assign applies an assignment. One that systemd ignores changes nothing.
function assign(key, value,    count, i) {
	if (kind == "systemd" && key == name) {
		if (key == "TasksMax" && value == "") set = 0
		else if ((value = key == "TasksMax" ? tasks(value) : hard_limit(value)) != "") keep(value)
	} else if (kind == "environment" && key == "Environment") {
		if (value == "") set = 0
		count = words(value)
		for (i = 1; i <= count; i++) {
			if (specified(word[i]) && substr(specific, 1, length(name) + 1) == name "=") keep(substr(specific, length(name) + 2))
		}
	} else if (kind == "environment" && key == "UnsetEnvironment") {
		if (value == "") drops = 0
		count = words(value)
		for (i = 1; i <= count; i++) if (specified(word[i])) drop[++drops] = specific
	} else if (kind == "files" && key == "EnvironmentFile") {
		if (value == "") listed = 0
		else {
			sub(/^-/, "", value)
			if (specified(value) && specific ~ /^\// && specific !~ /\/\.\.(\/|$)/) list[++listed] = specific
		}
	}
}

# read_variables reads the variables of an EnvironmentFile, which override Environment, as systemd does: values are not
# split, they may begin with quotes, and a backslash escapes the next character. A newline inside of a value becomes a space:
# no setting here has either.
function read_variables(f,    c, key, end) {
	text = ""
	while ((getline line < f) > 0) text = text line "\n"
	close(f)
	gsub(/\r/, "\n", text)
	at = 1
	while (at <= length(text)) {
		c = substr(text, at, 1)
		if (c == "#" || c == ";") skip_comment()
		else if (index(" \t\n", c)) at++
		else {
			end = match(substr(text, at), /[=\n]/)
			if (!end) return
			key = substr(text, at, end - 1)
			c = substr(text, at + end - 1, 1)
			at += end
			if (c == "\n") continue
			sub(/[ \t]+$/, "", key)
			read_value()
			gsub(/\n/, " ", read)
			if (key == name) keep(read)
		}
	}
}

# skip_comment skips a comment. One that ends with a backslash continues on the next line.
function skip_comment(    c) {
	while (at <= length(text) && (c = substr(text, at, 1)) != "\n") at += c == "\\" ? 2 : 1
}

# read_value reads into read, to the first unquoted end of a line: adjacent quoted pieces, then an unquoted rest.
function read_value(    c) {
	read = ""
	for (; at <= length(text); at++) {
		c = substr(text, at, 1)
		if (c == "\n") return
		if (c == "'" || c == "\"") read_quoted(c)
		else if (!index(" \t", c)) {
			read_bare()
			return
		}
	}
}

function read_quoted(quote,    c) {
	for (at++; at <= length(text) && (c = substr(text, at, 1)) != quote; at++) {
		if (c == "\\" && quote == "\"" && at < length(text)) {
			c = substr(text, ++at, 1)
			if (c == "\n") continue
			if (!index("\"\\`$", c)) read = read "\\"
		}
		read = read c
	}
}

# read_bare drops the spaces after the value.
function read_bare(    c, escaped, kept_length) {
	kept_length = length(read)
	for (; at <= length(text) && (c = substr(text, at, 1)) != "\n"; at++) {
		escaped = c == "\\"
		if (escaped) {
			c = substr(text, ++at, 1)
			if (c == "" || c == "\n") {
				kept_length = length(read)
				continue
			}
		}
		read = read c
		if (escaped || c != " " && c != "\t") kept_length = length(read)
	}
	read = substr(read, 1, kept_length)
}

# specified expands into specific those specifiers of systemd.unit(5) that depend only on the name of the unit. It returns 0
# when there is another.
function specified(t,    c, i) {
	specific = ""
	for (i = 1; i <= length(t); i++) {
		c = substr(t, i, 1)
		if (c == "%" && i < length(t)) {
			c = substr(t, ++i, 1)
			if (c == "n") c = "stentor.service"
			else if (index("NpPjJ", c)) c = "stentor"
			else if (c == "i" || c == "I") c = ""
			else if (c != "%") return 0
		}
		specific = specific c
	}
	return 1
}

# hard_limit reads "hard" and "soft:hard"; "" is a mistake.
function hard_limit(value,    at, soft) {
	at = index(value, ":")
	if (at == 0) return limit(value)
	soft = limit(substr(value, 1, at - 1))
	value = limit(substr(value, at + 1))
	if (soft == "" || value == "" || value != "infinity" && (soft == "infinity" || above(soft, value))) return ""
	return value
}

# above compares two numbers of any length.
function above(a, b) {
	return length(a) > length(b) || length(a) == length(b) && ("x" a) > ("x" b)
}

# limit reads a number as strtoull(3) does in base 0, and the word infinity; "" is a mistake.
function limit(value,    n, i, base, digit) {
	if (value == "infinity") return value
	sub(/^[ \t]+/, "", value)
	sub(/^\+/, "", value)
	if (value ~ /^[1-9][0-9]*$/) return above("18446744073709551615", value) ? value : ""
	base = 8
	if (value ~ /^0[xX]./) base = 16
	if (value ~ /^0[bB]./) base = 2
	if (value !~ /^0/) return ""
	value = tolower(value)
	sub(/^0[xbo]/, "", value)
	n = 0
	for (i = 1; i <= length(value); i++) {
		digit = index("0123456789abcdef", substr(value, i, 1)) - 1
		if (digit < 0 || digit >= base) return ""
		n = n * base + digit
	}
	return value == "" || n >= 18446744073709551615 ? "" : sprintf("%.0f", n)
}

# tasks reads a number of tasks. A percentage is of the kernel's limit, and stays a percentage when that is unknown.
function tasks(value,    share, point) {
	if (value !~ /%$/) {
		value = limit(value)
		return value == "0" ? "" : value
	}
	sub(/^\+/, "", value)
	if (value !~ /^[0-9]+(\.[0-9][0-9]?)?%$/) return ""
	share = substr(value, 1, length(value) - 1)
	point = index(share, ".")
	share = point == 0 ? share "00" : substr(substr(share, 1, point - 1) substr(share, point + 1) "0", 1, point + 1)
	if (share + 0 > 10000) return ""
	return most == "" ? value : sprintf("%d", int(most * share / 10000))
}

# words splits a value into word, as systemd does where it accepts quotes and C escapes, and returns how many there are. The
# words after a mistake are ignored.
function words(value,    count, i, c, quote, inside, text) {
	count = inside = 0
	quote = text = ""
	for (i = 1; i <= length(value); i++) {
		c = substr(value, i, 1)
		if (c == "\\") {
			if (!unescape(substr(value, i + 1))) return count
			text = text unescaped
			inside = 1
			i += taken
		} else if (quote != "" && c == quote) quote = ""
		else if (quote == "" && (c == "\"" || c == "'")) {
			quote = c
			inside = 1
		} else if (quote == "" && (c == " " || c == "\t")) {
			if (inside) word[++count] = text
			text = ""
			inside = 0
		} else {
			text = text c
			inside = 1
		}
	}
	if (quote == "" && inside) word[++count] = text
	return count
}

# unescape decodes the text after a backslash into unescaped, and stores its length in taken.
function unescape(s,    c, digits, base, from, n, i, digit) {
	c = substr(s, 1, 1)
	taken = 1
	if (c == "") return 0
	if ((i = index("abfnrtvs\\\"'", c)) > 0) {
		unescaped = substr("\007\010\014\n\r\t\013 \\\"'", i, 1)
		return 1
	}
	digits = 3
	base = 8
	from = 1
	if (c == "x" || c == "u" || c == "U") {
		digits = c == "x" ? 2 : c == "u" ? 4 : 8
		base = 16
		from = 2
	}
	n = 0
	for (i = from; i < from + digits; i++) {
		digit = index("0123456789abcdef", tolower(substr(s, i, 1))) - 1
		if (substr(s, i, 1) == "" || digit < 0 || digit >= base) return 0
		n = n * base + digit
	}
	if (n == 0 || base == 8 && n > 255) return 0
	taken = from + digits - 1
	unescaped = n > 127 ? "?" : sprintf("%c", n)
	return 1
}
