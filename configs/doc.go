// Package configs reads and edits the router's config file.
//
// [Load] makes a [Config] out of four layers, each stronger than the one before
// it: the defaults, the file, the environment (ROUTER_LISTEN,
// ROUTER_SEARCH_LIMIT and so on), and what flags say. Every key has a default,
// so no file at all is a valid config with no servers. A list in the environment
// is YAML, of which JSON is a part (ROUTER_SERVERS='[{"name": …}]'); one of texts
// may also be written with commas. A Config is read-only once it is loaded; a
// reload makes a new one.
//
// Reading is strict. An unknown key, a wrong type, a duration without a unit, a
// reference to a variable that is not set, two servers of one name: all of them
// are reported together as [Mistakes], each with its place in the file, and the
// file changes nothing until the last one is mended.
//
// Values may hold references, which are replaced before anything is checked;
// keys never do:
//
//	${NAME}            an environment variable; not set is a mistake
//	${NAME:-default}   the default (which may hold references) if unset or empty
//	${file:PATH}       the content of a small file, less its last line end;
//	                   a relative path starts at the config file's folder
//	${secret:NAME}     $ROUTER_SECRET_NAME, or the file STATE/secrets/NAME, which
//	                   nobody but its owner may read
//	$${NAME}           the text ${NAME} itself; other dollars mean nothing
//
// A server that is disabled may hold references that lead nowhere.
//
// The file is YAML, JSON (comments allowed) or TOML. A client's own file with
// mcpServers or VS Code's servers is taken as it is: see [Source]. What was in
// such a file and has no meaning here is named in Config.Warnings. Our own keys
// do not go with mcpServers.
//
// [Add], [Remove] and [SetDisabled] edit a YAML file in place. They change the
// bytes that the wish needs and no others, and write nothing at all when the
// result would not read back as what was wanted. Edits at the same time follow each
// other: each holds a lock from its reading to its writing.
//
// A server that is plainly the router itself, as in a client's file that the router
// was added to, is left out with a warning: see [Config.Itself].
package configs
