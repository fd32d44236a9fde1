-- A session of Lua, built from Debian's source with musl: files, processes, time and much memory.
print(_VERSION, math.maxinteger, 7 // 2, 7 / 2, 2^53 | 0, "x" .. 1.5)
assert(os.execute("mkdir work") and os.execute("test -d work"))
local file = assert(io.open("work/f", "w+"))
file:setvbuf("full", 64)
for i = 1, 1000 do file:write(i, " ", i * i, "\n") end
file:seek("set", 100); print(file:read("l", "n", "n"))
print(file:seek("cur"), file:seek("end"))
file:close()
local sum, lines = 0, 0
for a, b in io.lines("work/f", "n", "n") do sum = sum + b - a; lines = lines + 1 end
print(sum, lines)
print(os.rename("work/f", "work/g"), io.open("work/f"))
print(os.remove("work/none"))
print(pcall(io.lines, "work/none"))
local pipe = io.popen("tr a-z A-Z >work/upper; exit 3", "w")
pipe:write("to upper case\n"); print(pipe:close())
print(io.open("work/upper"):read("a"))
for line in io.popen("seq 1 3 | sed 's/^/line /'"):lines() do print(line) end
print(os.execute("exit 5")); print(os.execute("kill -9 $$"))
print(os.getenv("HOME"), os.getenv("NONE"), os.date("!%Y-%m-%d %H:%M:%S", 1000000000))
print(os.time({year = 2001, month = 9, day = 9, hour = 1, min = 46, sec = 40}))
local name = os.tmpname(); print(#name > 0, os.remove(name))
local before = os.clock(); local x = 0
for i = 1, 300000 do x = (x * 31 + i) % 1000003 end
print(x, os.clock() >= before)
local function tree(depth) return depth == 0 and {} or {tree(depth - 1), tree(depth - 1)} end
local function count(node) return node[1] and 1 + count(node[1]) + count(node[2]) or 1 end
for depth = 4, 14, 5 do print(depth, count(tree(depth))) end
collectgarbage(); print(collectgarbage("count") < 4096)
local parts = {}
for i = 1, 20000 do parts[#parts + 1] = string.format("%05d", i) end
local text = table.concat(parts, ","); print(#text, text:sub(-11), select(2, text:gsub("7", "")))
local made = coroutine.wrap(function(a) while true do a = coroutine.yield(a * 2) end end)
print(made(1), made(2), made(3))
print(select("#", string.unpack("<i4 z d", string.pack("<i4 z d", -7, "zero", 0.5))))
print(pcall(function() local t = nil; return t.x end))
print(pcall(string.rep, "x", 1 << 40))
print(xpcall(function() local function deep() return 1 + deep() end; return deep() end,
             function(m) return (m:match("stack overflow")) end))
io.stderr:write("to standard error\n")
os.exit(9, true)
