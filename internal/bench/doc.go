// Package bench measures what the router costs: the same call of the same
// backend, made directly and through the router, over HTTP and over stdio, in
// both protocol eras, from one caller and from 64. Every party is a process of
// its own, as in real life. "make bench" runs it and prints for each call
// through the router how it compares with the direct one (x-direct).
package bench
