package index

import (
	"slices"
	"strings"
)

// families are words that people and authors of tools use for each other: the
// one who asks removes a folder, the one who wrote the tool deletes a directory.
// A tool that has a relative of a word counts for it as for a weaker mention. A
// line is a family; a word may be in several, and is related to all of them.
// They are common knowledge of the trade, written down without looking at any
// query set.
var families = relate(`
list show display enumerate browse view
get fetch retrieve read obtain load lookup
search find query locate discover lookup
show view see look
create add new make insert register
create open file raise
update edit modify change alter set patch adjust
rename retitle
delete remove erase drop destroy trash purge discard
clear empty wipe reset
send post publish deliver email message
run execute invoke trigger launch perform
start begin launch boot
stop kill terminate halt end shutdown
cancel abort revoke
undo revert rollback
restart reboot relaunch
copy duplicate clone
move relocate transfer migrate
check verify validate test inspect
download export save
upload import attach
schedule plan book reserve arrange
postpone reschedule move
buy purchase order
summarize summary summarise digest overview recap
translate translation
convert transform
calculate compute calculator math
analyze analyse examine inspect analysis
compare diff difference
merge join combine concatenate
split divide
enable activate
disable deactivate
assign allocate delegate
reply respond answer
comment note annotate
approve accept confirm
reject decline deny
install deploy rollout
scale resize
monitor watch track observe
log logs logging
login signin authenticate
share invite grant
generate produce make create
draw paint sketch
write compose draft
count number total
sort rank order
history past previous log
recent latest newest last
status state health condition
info information details detail describe metadata

folder directory dir
file document
repo repository codebase
issue ticket bug
pr pull merge
email mail message inbox gmail
chat message conversation dm
channel room
user account member person people profile
image picture photo pic
video clip movie
song music track audio
database db
table sheet spreadsheet
doc docs documentation manual guide
environment env
config configuration settings setting preferences options
kubernetes k8s cluster
vm instance machine server
url link website webpage page site web
price cost fee rate
weather forecast temperature climate
calendar event meeting appointment
task todo reminder
customer client
company business organization organisation org firm
place location city town
map directions route navigation
error exception failure fault crash
permission access role privilege
secret password credential
key token credential
news headline article
stock share equity ticker
currency exchange forex money
crypto bitcoin cryptocurrency coin
restaurant food dining
hotel accommodation lodging
flight plane airline airfare
trip travel vacation tour
recipe dish meal cooking
job vacancy career position employment
book novel
film movie cinema
metric statistic stats telemetry statistics
graph chart plot diagram
memory ram
cpu processor
cron schedule
secret vault
phone call telephone
invoice bill receipt
payment charge transaction
contact person
tag label
version release revision
paper article publication research study
game play
health medical fitness
law legal
home house property apartment estate
car vehicle
ad advertisement marketing campaign
domain dns
text string
`)

// relate makes stems of families: each word with all of its relatives.
func relate(text string) map[string][]string {
	a := newAnalyzer()
	out := map[string][]string{}
	for line := range strings.SplitSeq(text, "\n") {
		var stems []string
		for w := range strings.FieldsSeq(line) {
			stems = append(stems, a.stem(w))
		}
		for _, s := range stems {
			for _, other := range stems {
				if other != s && !slices.Contains(out[s], other) {
					out[s] = append(out[s], other)
				}
			}
		}
	}
	return out
}
