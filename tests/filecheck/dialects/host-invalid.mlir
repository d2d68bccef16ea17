// RUN: xdsl-opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

// CHECK: host.buffer has dimension 0, expected at least 1
"test.op"() {t = !host.buffer<0x4xf16>} : () -> ()

// -----

// CHECK: host.buffer has element type i8, expected f16, f32 or i32
"test.op"() {t = !host.buffer<4xi8>} : () -> ()

// -----

// CHECK: host.buffer has element type bf16, expected f16, f32 or i32
"test.op"() {t = !host.buffer<4xbf16>} : () -> ()

// -----

// CHECK: host.buffer is in space attic, expected local or softmax
"test.op"() {t = !host.buffer<4xf16, attic>} : () -> ()

// -----

// CHECK: host.buffer has dimension ?, expected at least 1
"test.op"() {t = !host.buffer<?x4xf16>} : () -> ()

// -----

// CHECK: launch of @k waits for 4 events, expected at most 3
%a, %b, %c, %d = "test.op"() : () -> (!host.event, !host.event, !host.event, !host.event)
%e = host.launch @k() after(%a, %b, %c, %d)

// -----

// CHECK: host.buffer has slots 0, expected at least 1
%b = host.buffer {slots = 0 : i64} : !host.buffer<4xf16>

// -----

// CHECK: 'host.memory' expects parent op 'builtin.module'
func.func @f() {
  host.memory @w : tensor<4xf16> layout #npu.row_major<row_bytes = 8>
  func.return
}

// -----

// CHECK: @weights has no page table, expected one of @keys, @values
%slot, %index = "test.op"() : () -> (index, index)
%page = host.page @weights %slot[%index]

// -----

// CHECK: host.all_reduce is over 1 devices, expected at least 2
%b, %rows = "test.op"() : () -> (!host.buffer<4x64xf16>, index)
%e = host.all_reduce %b rows %rows {devices = 1 : i64} : !host.buffer<4x64xf16>

// -----

// CHECK: host.send waits for 4 events, expected at most 3
%b, %rows, %a = "test.op"() : () -> (!host.buffer<4x64xf16>, index, !host.event)
%e = host.send %b rows %rows after(%a, %a, %a, %a) {devices = 2 : i64} : !host.buffer<4x64xf16>
