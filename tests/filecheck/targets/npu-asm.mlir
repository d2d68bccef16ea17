// The NPU kernels of a module as assembly text: a register for each run-time value, a semaphore number for each semaphore.

// RUN: xdsl-opt %s -t npu-asm | filecheck %s

// The position of the ring %tile is a register of its own. Sums and differences fold into the fields.
// CHECK:      .program @tiles npu (x, rows, layer)
// CHECK-NEXT: .semaphore 0 = 2
// CHECK-NEXT: .semaphore 1 = 0
// CHECK-NEXT: .tag 1 "w"
// CHECK-NEXT:   %r4 = ceildiv %rows, 16
// CHECK-NEXT:   loop %r5 = 0 to %r4 {
// CHECK-NEXT:     %r3 = rem 1+%r3, 2
// CHECK-NEXT:     %r6 = min %rows-16*%r5, 16
// CHECK-NEXT:     ld1: load dram=4096+8192*%layer+512*%r5, dram_stride=512, rows=1, row_bytes=512, local=512+512*%r3, local_stride=512 wait(s0:1) post(s1:1) !tag(1)
// CHECK-NEXT:     mx: preload array=1, weights=512+512*%r3, weights_stride=32, k=16, n=16 wait(s1:1) post(s0:1) !tag(1)
// CHECK-NEXT:     mx: matmul array=1, a=%x, a_stride=128, m=%r6, k=16, n=16, acc=2048, acc_stride=64, accumulate=%r5 !tag(1)
// CHECK-NEXT:   }
// CHECK-NEXT:   vx: unary function=exp, dst=2048, dst_stride=64, dst_type=f32, a=2048, a_stride=64, a_type=f32, rows=%rows, cols=16, scale=0.125
// CHECK-NEXT:   vx: sync wait(s1:1)
// CHECK-NEXT:   halt
// CHECK-EMPTY:
// CHECK-NEXT: .program @nothing npu ()
// CHECK-NEXT:   halt

builtin.module {
  host.memory @w : tensor<2x64x64xf16> layout #npu.tiles<tile_k = 16, tile_n = 16, padded_k = 64, padded_n = 64, group = 2> {source = "w", address = 4096 : i64}
  func.func @tiles(%x: !host.buffer<4x64xf16>, %rows: index, %layer: index) attributes {device = "npu"} {
    %free = npu.semaphore {initial = 2 : i64}
    %full = npu.semaphore {initial = 0 : i64}
    %tile = host.buffer {slots = 2 : i64, address = 512 : i64} : !host.buffer<16x16xf16>
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    %c16 = arith.constant 16 : index
    %tiles = arith.ceildivui %rows, %c16 : index
    scf.for %i = %c0 to %tiles step %c1 {
      %slot = npu.advance %tile of 2 : !host.buffer<16x16xf16>
      %last = arith.muli %i, %c16 : index
      %left = arith.subi %rows, %last : index
      %count = arith.minui %left, %c16 : index
      npu.load(dram = 4096 + 8192 * %layer + 512 * %i, dram_stride = 512, rows = 1, row_bytes = 512, local = 512 + 512 * %slot, local_stride = 512) wait(%free) post(%full) {source = "w", queue = "ld1"} : index, index, index, !npu.semaphore, !npu.semaphore
      npu.preload(array = 1, weights = 512 + 512 * %slot, weights_stride = 32, k = 16, n = 16) wait(%full) post(%free) {source = "w"} : index, !npu.semaphore, !npu.semaphore
      npu.matmul(array = 1, a = %x, a_stride = 128, m = %count, k = 16, n = 16, acc = 2048, acc_stride = 64, accumulate = %i) {source = "w"} : !host.buffer<4x64xf16>, index, index
    }
    npu.unary(function = exp, dst = 2048, dst_stride = 64, dst_type = f32, a = 2048, a_stride = 64, a_type = f32, rows = %rows, cols = 16, scale = 0.125) : index
    npu.sync() wait(%full) {queue = "vx"} : !npu.semaphore
    func.return
  }
  func.func @nothing() attributes {device = "npu"} {
    func.return
  }
  func.func @bank_commands(%x: !host.buffer<4x64xf16>, %y: !host.buffer<4x24xf32>, %rows: index) attributes {device = "pim"} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    scf.for %token = %c0 to %rows step %c1 {
      pim.write_buffer(space = local, src = %x + 128 * %token, channel_stride = 0, columns = 4, buffer_column = 0, channel = 0, channels = 2) {source = "w"} : !host.buffer<4x64xf16>, index
      pim.activate(row = 7 + %token, channel = 0, channels = 2) {source = "w"} : index
      pim.mac(column = 0, columns = 4, buffer_column = 0, channel = 0, channels = 2) {source = "w"}
      pim.read_acc(space = local, dst = %y + 96 * %token, channel_stride = 16, banks = 4, channel = 0, channels = 2) {source = "w"} : !host.buffer<4x24xf32>, index
      pim.precharge(channel = 0, channels = 2) {source = "w"}
    }
    pim.softmax(src = 0, src_stride = 256, dst = 1024, dst_stride = 128, rows = 4, cols = 64, limit = %rows, scale = 0.25) {source = "softmax"} : index
    func.return
  }
  func.func @step(%rows: index, %sequences: index) attributes {device = "host"} {
    %x = host.buffer {role = "tokens", address = 0 : i64} : !host.buffer<4x64xf16>
    %y = host.buffer {address = 768 : i64} : !host.buffer<4x24xf32>
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    %start = host.start
    %first = host.launch @nothing() after(%start)
    %end = scf.for %layer = %c0 to %c2 step %c1 iter_args(%previous = %first) -> (!host.event) {
      %a = host.launch @tiles(%x, %rows, %layer) after(%previous) : !host.buffer<4x64xf16>, index, index
      %b = scf.for %i = %c0 to %sequences step %c1 iter_args(%before = %a) -> (!host.event) {
        %row, %new, %past, %slot = host.sequence %i
        %c = host.launch @bank_commands(%x, %y, %new) after(%before) : !host.buffer<4x64xf16>, !host.buffer<4x24xf32>, index
        scf.yield %c : !host.event
      }
      scf.yield %b : !host.event
    }
    %d = host.launch @nothing() after(%end, %first)
    func.return
  }
}
